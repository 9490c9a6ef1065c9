"""Rows of the pipeline's stages: time in the mailbox, time at work, processor time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.statistics import Summary, summarise, thinned
from mmer.realtime.stage_times import StageTime

Picked: TypeAlias = Callable[[Sequence[StageTime]], list[StageTime]]


@dataclass(frozen=True)
class Part:
    """One kind of work of a stage, as it is shown: which of the stage's times are of it."""

    key: str
    name: str
    stage: str
    of: Picked


def _while_speaking(times: Sequence[StageTime]) -> list[StageTime]:
    return [t for t in times if t.partial]


def _of_finals(times: Sequence[StageTime]) -> list[StageTime]:
    return [t for t in times if not t.partial]


def _of_ends(times: Sequence[StageTime]) -> list[StageTime]:
    """Every second update that nothing replaces: of an utterance's start and end, the end."""
    return _of_finals(times)[1::2]


def _of_kind(kind: str) -> Picked:
    return lambda times: [t for t in times if t.kind == kind]


PARTS: Final = (
    Part("voice", "VAD", "vad", _of_kind("AudioBlock")),
    Part("words_partial", "ASR, while speaking", "asr", _while_speaking),
    Part("words_final", "ASR, at the end", "asr", _of_ends),
    Part("speech_partial", "speech network, while speaking", "speech", _while_speaking),
    Part("speech_final", "speech network, at the end", "speech", _of_ends),
    Part("text_partial", "text network, while speaking", "text", _while_speaking),
    Part("text_final", "text network, at the end", "text", _of_finals),
    Part("tracker", "face found and followed", "tracker", _of_kind("VideoFrame")),
    Part("clips", "crops collected", "clips", list),
    Part("face", "face network", "face", list),
    Part("fusion", "fusion, at a tick", "fusion", _of_kind("Tick")),
    Part("output", "estimate written", "output", _of_kind("EmotionEstimate")),
)


@dataclass(frozen=True)
class StageFinding:
    """One part's times, in ms; ``cpu_s_per_s`` is of its thread, without threads of libraries."""

    part: Part
    wait: Summary
    work: Summary
    cpu_s_per_s: float
    waits_ms: Sequence[float]
    works_ms: Sequence[float]


def find_stages(runs: Sequence[Sequence[StageTime]], seconds: float) -> list[StageFinding]:
    """Every part of which there was any work in the runs, ``seconds`` in all, in the pipeline's
    order."""
    found = []
    for part in PARTS:
        mine = [t for run in runs for t in part.of([t for t in run if t.stage == part.stage])]
        if mine:
            waits = [1000 * t.wait_s for t in mine]
            works = [1000 * t.work_s for t in mine]
            cpu = sum(t.cpu_s for t in mine) / seconds
            found.append(StageFinding(part, summarise(waits), summarise(works), cpu, waits, works))
    return found


def stage_rows(found: Sequence[StageFinding]) -> list[Row]:
    """A row a part: time in its mailbox, and time at work."""
    return [
        Row(
            key=f"stage_{f.part.key}",
            what=f"stage: {f.part.name}",
            measured=(
                f"wait p50 {f.wait.p50:.1f}, p95 {f.wait.p95:.1f}; "
                f"work p50 {f.work.p50:.1f}, p95 {f.work.p95:.1f} ms"
            ),
            note=f"{f.work.n} times; {f.cpu_s_per_s:.3f} s of its thread a second of clip",
            values={
                "wait_p50": f.wait.p50,
                "wait_p95": f.wait.p95,
                "wait_max": f.wait.max,
                "work_p50": f.work.p50,
                "work_p95": f.work.p95,
                "work_max": f.work.max,
                "n": f.work.n,
                "cpu_s_per_s": f.cpu_s_per_s,
            },
            samples={"wait_ms": thinned(f.waits_ms), "work_ms": thinned(f.works_ms)},
        )
        for f in found
    ]


def draw_stages(found: Sequence[StageFinding], cpu: Mapping[str, float | None], path: Path) -> None:
    """Left, median and p95 of wait and work by stage; right, their CPU time; PNG.

    ``cpu`` are the values of the row of processor time: of the whole, and of other processes. What
    neither these nor a stage's own thread had is "the rest".
    """
    from matplotlib.figure import Figure

    names = [*(f.part.name for f in found), "other processes", "the rest: reading, decoding"]
    figure = Figure(figsize=(11.5, 0.42 * len(names) + 1.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    for shift, which, alpha in ((-0.19, "p50", 1.0), (0.19, "p95", 0.45)):
        at = [row + shift for row in range(len(found))]
        waits = [getattr(f.wait, which) for f in found]
        works = [getattr(f.work, which) for f in found]
        waiting = {"color": "tab:orange", "label": f"wait in the queue, {which}"}
        working = {"color": "tab:blue", "label": f"work, {which}"}
        left.barh(at, waits, 0.36, alpha=alpha, **waiting)
        left.barh(at, works, 0.36, left=waits, alpha=alpha, **working)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("ms a message")
    left.legend(fontsize=8, loc="lower right")
    children = cpu["children_cpu_s_per_s"] or 0.0
    rest = max(0.0, (cpu["cpu_s_per_s"] or 0.0) - sum(f.cpu_s_per_s for f in found) - children)
    costs = [1000 * c for c in (*(f.cpu_s_per_s for f in found), children, rest)]
    right.barh(range(len(names)), costs, 0.6, color="0.45")
    right.set_xlabel("ms of CPU a second of clip")
    for axis in (left, right):
        axis.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Software": None})
