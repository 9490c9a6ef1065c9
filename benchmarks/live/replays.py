"""Rows of whole commands: replay at --pace max, and the time to the first label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mmer.benchmarks.harness.process import Watched
from mmer.benchmarks.report.report import Row

FULL_CLIP_S: Final = 60  # replay targets hold for a clip of this length: start-up is in them


def replay_row(words: str, run: Watched, seconds: int, frames: int, least: float) -> Row:
    """Seconds of clip for each second from process start to exit, start-up included."""
    speed = seconds / run.wall_s
    ready_s = run.ready_s or 0.0
    after = seconds / (run.wall_s - ready_s)
    notes = [
        f"whole process, {run.wall_s:.1f} s; {after:.2f}x without its {ready_s:.1f} s of start-up",
        f"{frames / seconds:.1f} frames analysed a second of clip",
        f"{run.cpu_s:.0f} s of CPU",
    ]
    if seconds < FULL_CLIP_S:
        notes.append(f"judged with a clip of {FULL_CLIP_S} s")
    return Row(
        key="replay_no_words" if words == "none" else "replay",
        what=f"replay at --pace max, {'words off' if words == 'none' else f'words by {words}'}",
        measured=f"{speed:.2f}x real time",
        target=f"at least {least:g}x",
        passed=speed >= least if seconds >= FULL_CLIP_S else None,
        note="; ".join(notes),
        values={
            "times_real_time": speed,
            "times_real_time_without_start": after,
            "wall_s": run.wall_s,
            "start_s": ready_s,
            "cpu_s": run.cpu_s,
            "peak_mb": run.peak_mb,
            "frames_per_s": frames / seconds,
        },
        samples={"times_real_time": [speed]},
        better="more",
    )


def first_label_row(times: Sequence[tuple[float, float]]) -> Row:
    """From the start of the command's process to its first lines; the median of the runs."""
    line, label = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
    return Row(
        key="first_label_s",
        what="start of the command to first label",
        measured=f"{label:.2f} s",
        target="at most 4 s",
        passed=label <= 4,
        note=f"median of {len(times)} runs; first emotion line after {line:.2f} s",
        values={"first_label": label, "first_line": line},
        samples={"first_label_s": [label for _, label in times]},
    )
