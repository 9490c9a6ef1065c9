"""Rows of the estimates: delay from the captured frame, and frames analysed a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mmer.benchmarks.harness.trace import Estimate, Recording
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import delay_row, number
from mmer.benchmarks.report.statistics import summarise

FRAMES_PER_S: Final = 20.0
MAY_BE_LOST: Final = 0.01  # of the frames, before the rate counts as missed
LEAST_ESTIMATES: Final = 100  # a p95 of fewer hangs on four of them


def while_playing(estimates: Sequence[Estimate], seconds: float) -> list[Estimate]:
    """Of utterances, and what was decided before the clip ended: then no camera delivers frames."""
    return [e for e in estimates if e.of_utterance or e.t <= seconds]


def face_delay_row(estimates: Sequence[Estimate]) -> Row:
    """Delay of every estimate that used a face: written minus capture of the newest frame used.

    A final is about its utterance: it uses no frame from after its end, however soon it comes, so
    the figure without finals stands beside the one that is evaluated. ``estimates`` are those
    ``while_playing``.
    """
    used = [e for e in estimates if e.face_delay_s is not None]
    every = delays_ms(used)
    p95_running = summarise(delays_ms([e for e in used if not e.of_utterance])).p95
    return delay_row(
        "face_delay_ms",
        "newest video frame used: captured to estimate written",
        every,
        f"{len(every)} of {len(estimates)} estimates used a face; "
        f"without those of utterances p95 {number(p95_running)} ms",
        "p95 at most 70 ms",
        {"p95_without_finals": p95_running},
    ).evaluated(
        summarise(every).p95 <= 70,
        len(every) >= LEAST_ESTIMATES,
        f"evaluated from {LEAST_ESTIMATES} estimates on",
    )


def delays_ms(estimates: Sequence[Estimate]) -> list[float]:
    """Face delays of those that used a frame."""
    return [1000 * e.face_delay_s for e in estimates if e.face_delay_s is not None]


def analysed_row(recording: Recording, seconds: float) -> Row:
    """Frames analysed, or searched in vain for a face, a second of the clip."""
    rate = len(recording.frames) / seconds
    replaced = {name: recording.drops.get(name, 0) for name in ("video", "face")}
    return Row(
        key="frames_per_s",
        what="video frames analysed",
        measured=f"{rate:.1f} /s",
        target=f"{FRAMES_PER_S:g} /s, {MAY_BE_LOST:.0%} may be lost",
        passed=rate >= (1 - MAY_BE_LOST) * FRAMES_PER_S,
        note=(
            f"searched for a face {recording.tracked / seconds:.1f} /s; replaced by newer: "
            + ", ".join(f"{n} at {name}" for name, n in replaced.items())
        ),
        values={"analysed": rate, "searched": recording.tracked / seconds},
        samples={"frames_per_s": [rate]},
        better="more",
    )
