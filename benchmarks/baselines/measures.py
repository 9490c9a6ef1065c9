"""Measures of a baseline loop and of the session: every definition of `mmer-bench against`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np

from mmer.benchmarks.harness.clip import AnnotatedClip, Span
from mmer.benchmarks.harness.matching import OVERLAP_S, Result, match
from mmer.benchmarks.harness.process import Watched
from mmer.benchmarks.harness.trace import Estimate, Recording, Seconds
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import number, percentiles
from mmer.benchmarks.report.statistics import Slope, slope, summarise

SAMPLE_S: Final = 0.1
"""Sampling period of the age of the newest answer."""
EDGE_S: Final = 0.1
"""Part of a sentence's begin and end that may be missing where it counts as whole."""

WHAT: Final = {
    "age_ms": "frame captured to its answer written",
    "growth_ms_per_min": "slope of that",
    "shown_ms": "age of the frame behind the newest answer, at any moment",
    "frames_per_s": "video frames used",
    "onset_ms": "onset of speech to first answer with some of it",
    "end_ms": "end of speech to the answer with all of it that counts",
    "whole": "sentences in one piece",
    "lost_s": "sound never recorded",
    "cpu_s_per_s": "processor time a second of clip, start-up apart",
}
"""Keys of the rows (KEY.PROGRAM), in order, and what they are called."""


@dataclass(frozen=True)
class Program:
    """A program that was run: its name on the command line, its title and what it did."""

    name: str
    title: str
    recording: Recording
    watched: Watched
    names_utterances: bool
    """Whether it marks the final answer on an utterance."""

    @property
    def answers(self) -> list[Estimate]:
        """Estimates with some evidence."""
        return [e for e in self.recording.estimates if e.has_evidence]


def rows_of(program: Program, clip: AnnotatedClip) -> list[Row]:
    """A row for each measure, in the order of ``WHAT``."""
    answers, lost_spans, seconds = program.answers, program.recording.lost, clip.seconds
    frames = len(set(program.recording.frames)) / seconds
    ages = [(a.written, 1000 * a.face_delay_s) for a in answers if a.face_delay_s is not None]
    growth = slope([t for t, _ in ages], [age for _, age in ages])
    onsets, never = onset_delays_s(answers, clip.spans)
    ends, missed = end_delays_s(answers, clip.spans, program.names_utterances)
    lost = sum(t1 - t0 for t0, t1 in lost_spans)
    whole = whole_sentences(answers, clip.spans)
    spoken = lost_speech_s(lost_spans, clip.spans)
    cpu = (program.watched.cpu_s - program.watched.ready_cpu_s) / seconds
    return [
        _delays(program, "age_ms", [age for _, age in ages]),
        _growth(program, growth),
        _delays(program, "shown_ms", shown_ms(answers, seconds)),
        _row(program, "frames_per_s", f"{frames:.1f} /s", {"frames_per_s": frames}, better="more"),
        _delays(program, "onset_ms", [1000 * s for s in onsets], never),
        _delays(program, "end_ms", [1000 * s for s in ends], missed),
        _row(
            program,
            "whole",
            f"{whole} of {len(clip.spans)}",
            {"whole": whole, "sentences": len(clip.spans)},
            better="more",
        ),
        _row(
            program,
            "lost_s",
            f"{lost:.1f} s, {100 * spoken / clip.speech_s:.0f} % of the speech",
            {"lost_s": lost, "lost_speech_s": spoken, "speech_s": clip.speech_s},
        ),
        _row(program, "cpu_s_per_s", f"{cpu:.2f} s", {"cpu_s_per_s": cpu}),
    ]


def shown_ms(answers: Sequence[Estimate], seconds: float) -> list[float]:
    """Age of the frame behind the newest answer, sampled every 100 ms from the first answer on.

    The age of information (Kaul, Yates and Gruteser 2012): what a user of the answer lives with,
    however often answers come.
    """
    seeing = [a for a in answers if a.face_t is not None]
    if not seeing:
        return []
    written = np.array([a.written for a in seeing])
    ages = []
    for t in np.arange(written[0], seconds, SAMPLE_S):
        newest = seeing[int(np.searchsorted(written, t, "right")) - 1]
        ages.append(1000 * (float(t) - (newest.face_t or 0.0)))
    return ages


def onset_delays_s(answers: Sequence[Estimate], spans: Sequence[Span]) -> tuple[list[float], int]:
    """Delays from each sentence's begin to the first answer with 50 ms of it; sentences without."""
    delays = []
    for span in spans:
        about = [a for a in answers if _holds(a, span)]
        if about:
            delays.append(about[0].written - span.t0)
    return delays, len(spans) - len(delays)


def end_delays_s(
    answers: Sequence[Estimate], spans: Sequence[Span], named: bool
) -> tuple[list[float], int]:
    """Delays from each sentence's end to the answer with all of its sound that counts; misses.

    Of the session (``named``) that is the final estimate, matched as in `mmer-bench live`. Of a
    loop it is the first answer with the last recording that holds 50 ms of the sentence. A
    sentence that no answer is about is a miss, as is one answered before it was over.
    """
    if named:
        results = [Result(a.t0, a.t1, a.written) for a in answers if a.final]
        matching = match(spans, results)
        return matching.delays_s, matching.misses
    delays = []
    for span in spans:
        about = [a for a in answers if _holds(a, span)]
        last = max((a.sound for a in about if a.sound is not None), default=None)
        first = next((a for a in about if a.sound == last), None)
        if first is not None and first.written >= span.t1:
            delays.append(first.written - span.t1)
    return delays, len(spans) - len(delays)


def whole_sentences(answers: Sequence[Estimate], spans: Sequence[Span]) -> int:
    """Number of sentences that lie, but for 100 ms at either end, in one recording or utterance."""
    sounds = {answer.sound for answer in answers if answer.sound is not None}
    return sum(any(t0 <= s.t0 + EDGE_S and s.t1 - EDGE_S <= t1 for t0, t1 in sounds) for s in spans)


def lost_speech_s(lost: Sequence[Seconds], spans: Sequence[Span]) -> float:
    """Seconds of the sentences that were never recorded."""
    return sum(max(0.0, min(t1, s.t1) - max(t0, s.t0)) for t0, t1 in lost for s in spans)


def _holds(answer: Estimate, span: Span) -> bool:
    if answer.sound is None:
        return False
    return min(answer.sound[1], span.t1) - max(answer.sound[0], span.t0) >= OVERLAP_S


def _delays(program: Program, key: str, values: Sequence[float], misses: int = 0) -> Row:
    found = summarise(values, misses)
    shown = "none"
    if found.n:
        shown = f"p50 {number(found.p50)}, p95 {number(found.p95)}, max {number(found.max)} ms"
    if misses:
        shown += f"; {misses} of {found.n} never"
    return _row(program, key, shown, percentiles(found), [*values, *[math.inf] * misses])


def _growth(program: Program, found: Slope | None) -> Row:
    key = "growth_ms_per_min"
    if found is None:
        return _row(program, key, "too short to tell", {})
    shown = f"{found.per_minute:+.0f} ms/min ({found.low:+.0f} to {found.high:+.0f})"
    return _row(program, key, shown, asdict(found))


def _row(
    program: Program,
    key: str,
    measured: str,
    values: Mapping[str, float | None],
    samples: Sequence[float] = (),
    better: Literal["less", "more"] = "less",
) -> Row:
    return Row(
        key=f"{key}.{program.name}",
        what=f"{program.title}: {WHAT[key]}",
        measured=measured,
        values=values,
        samples={key: samples} if samples else {},
        better=better,
    )
