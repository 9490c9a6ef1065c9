"""Rows of the estimates: delay from the captured frame, and frames analysed a second."""

from __future__ import annotations

import bisect
import math
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


def face_delay_rows(
    estimates: Sequence[Estimate], frame_times: Sequence[float], hop_s: float
) -> list[Row]:
    """Delay of every estimate that used a face: written minus capture of the newest frame used.

    A final is about its utterance: it uses no frame from after its end, however soon it comes, so
    the figure without finals stands beside the one that is judged. ``estimates`` are those
    ``while_playing``.
    """
    used = [e for e in estimates if e.face_delay_s is not None]
    every = delays_ms(used)
    at_ticks = [e for e in used if not e.of_utterance]
    waits = [1000 * waiting_s(e.t, frame_times, hop_s) for e in at_ticks]
    rest = [d - w for d, w in zip(delays_ms(at_ticks), waits, strict=True)]
    p95_at_ticks = summarise(delays_ms(at_ticks)).p95
    return [
        delay_row(
            "face_delay_ms",
            "newest video frame used: captured to estimate written",
            every,
            f"{len(every)} of {len(estimates)} estimates used a face; "
            f"without finals p95 {number(p95_at_ticks)} ms",
            "p95 at most 100 ms",
            {"p95_without_finals": p95_at_ticks},
        ).judged(
            summarise(every).p95 <= 100,
            len(every) >= LEAST_ESTIMATES,
            f"judged from {LEAST_ESTIMATES} estimates on",
        ),
        delay_row(
            "face_delay_waiting_ms",
            "of it, waiting for the tick that answers",
            waits,
            f"the delay of a machine without any work to do: frames come every "
            f"{1000 / FRAMES_PER_S:.0f} ms, answers every {1000 * hop_s:.0f} ms",
        ),
        delay_row(
            "face_delay_compute_ms",
            "of it, queues, face, fusion and writing",
            rest,
            "the delay less that waiting; finals apart",
        ),
    ]


def waiting_s(decided: float, frame_times: Sequence[float], hop_s: float) -> float:
    """Time from the last frame captured before a tick was due, decided at ``decided``, to then.

    A tick is decided when it is due, or later on a busy machine: what it is late by is no waiting.
    """
    due = math.floor(decided / hop_s + 1e-6) * hop_s
    at = bisect.bisect_right(frame_times, due) - 1
    return due - frame_times[at] if at >= 0 else 0.0


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
