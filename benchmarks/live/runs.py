"""Several runs of one clip: their recordings as one, and the range of each figure over the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from mmer.benchmarks.harness.matching import Result
from mmer.benchmarks.harness.trace import Estimate, Recording
from mmer.benchmarks.live.estimates import while_playing
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import number

_SHOWN: Final[dict[str, Callable[[float], str]]] = {
    "p50": number,
    "p95": number,
    "analysed": "{:.1f}".format,
    "share": "{:.1%}".format,
    "cpu_s_per_s": "{:.3f}".format,
}
"""Figures whose range over the runs is shown, and how."""


def together(recordings: Sequence[Recording], seconds: float) -> Recording:
    """The runs of a clip of ``seconds`` as one of the clip over and over, in their order.

    Running estimates from after a clip's end are left out; utterances are numbered on.
    """
    whole = Recording(recordings[0].models, recordings[0].provider)
    numbered = 0
    for n, one in enumerate(recordings):
        shift, first = n * seconds, numbered
        estimates = while_playing(one.estimates, seconds)
        whole.estimates += [_later_estimate(e, shift, first) for e in estimates]
        whole.transcripts += [_later(r, shift, first) for r in one.transcripts]
        whole.ends += [_later(r, shift, first) for r in one.ends]
        whole.frames += [t + shift for t in one.frames]
        whole.tracked += one.tracked
        whole.health += [(t + shift, queue) for t, queue in one.health]
        for name, dropped in one.drops.items():
            whole.drops[name] = whole.drops.get(name, 0) + dropped
        numbers = [r.utterance for r in (*one.transcripts, *one.ends)]
        numbers += [e.utterance for e in estimates]
        numbered += max((n or 0 for n in numbers), default=0) + 1
    return whole


def _later(result: Result, shift: float, first: int) -> Result:
    number = None if result.utterance is None else result.utterance + first
    t0, t1, written = (t + shift for t in (result.t0, result.t1, result.written))
    return Result(t0, t1, written, number)


def _later_estimate(e: Estimate, shift: float, first: int) -> Estimate:
    return replace(
        e,
        written=e.written + shift,
        t=e.t + shift,
        t0=e.t0 + shift,
        t1=e.t1 + shift,
        face_t=None if e.face_t is None else e.face_t + shift,
        sound=None if e.sound is None else (e.sound[0] + shift, e.sound[1] + shift),
        utterance=None if e.utterance is None else e.utterance + first,
    )


def over_runs(rows: Sequence[Row], each: Sequence[Sequence[Row]]) -> list[Row]:
    """``rows`` of all runs with the figures of ``each`` run: kept, and their range shown."""
    if len(each) < 2:
        return list(rows)
    return [_over_runs(row, [run[k] for run in each]) for k, row in enumerate(rows)]


def _over_runs(row: Row, each: Sequence[Row]) -> Row:
    names = [name for name in _SHOWN if name in row.values]
    figures = {name: [one.values.get(name) for one in each] for name in names}
    ranges = []
    for name, values in figures.items():
        known = [v for v in values if v is not None]
        if known:
            low, high = (_SHOWN[name](v) for v in (min(known), max(known)))
            alone = "" if len(figures) == 1 else f"{name} "
            ranges.append(f"{alone}{low} to {high}")
    shown = f"; runs {', '.join(ranges)}" if ranges else ""
    return replace(row, measured=row.measured + shown, runs=figures)
