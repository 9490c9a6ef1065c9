"""Rows of trends and cost: slopes of delays and memory, queues, processor time, replay speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Final

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.matching import match
from mmer.benchmarks.harness.process import Watched
from mmer.benchmarks.harness.trace import Recording
from mmer.benchmarks.live.estimates import delays_ms, while_playing
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import slope_row
from mmer.benchmarks.report.statistics import slope

FULL_CLIP_S: Final = 60  # replay targets hold for a clip of this length: start-up is in them
LONG_S: Final = 1800.0  # slopes of delays are evaluated over half an hour
STEADY_FROM_S: Final = 60.0
STEADY_LEAST_S: Final = 120.0
MAY_GROW_MB: Final = 10.0  # of a run: caches fill, and the heap settles
MOST_CPU: Final = 0.22  # seconds a second of clip, ASR apart
MOST_CPU_WITH_ASR: Final = 0.30
LEAST_CPU_S: Final = 55.0  # of clip, for a figure that hangs on no single sentence


def slope_rows(recording: Recording, clip: AnnotatedClip) -> list[Row]:
    """Slopes of the delays of the newest frame shown and of the final labels."""
    playing = while_playing(recording.estimates, clip.seconds)
    shown = [e for e in playing if not e.of_utterance and e.face_delay_s is not None]
    finals = [m for m in match(clip.spans, recording.finals).matches if m.result]
    return [
        latency_slope_row(
            "face_delay_slope",
            "video frame to estimate: slope of the delay",
            [e.written for e in shown],
            delays_ms(shown),
            clip.seconds,
        ),
        latency_slope_row(
            "final_label_slope",
            "end of speech to final label: slope of the delay",
            [m.span.t1 for m in finals],
            [1000 * m.delay_s for m in finals],
            clip.seconds,
        ),
    ]


def latency_slope_row(
    key: str, what: str, t_s: Sequence[float], delays: Sequence[float], seconds: float
) -> Row:
    """A slope of delays (ms), evaluated by its interval alone: it must reach down to 0.

    Blocks of the interval are a minute in a long run: another program's minute is one event.
    """
    found = slope(t_s, delays, block_s=60.0 if seconds >= 600 else 10.0)
    row = slope_row(key, what, found, "ms", "not above zero within its interval, over 30 minutes")
    if found is None:
        return row
    otherwise = f"evaluated over {LONG_S / 60:g} minutes or more"
    return row.evaluated(not found.above_zero, seconds >= LONG_S, otherwise)


def queue_row(recording: Recording) -> Row:
    """The oldest waiting message of each second, and what was replaced or skipped."""
    oldest = [1000 * max(queue.values(), default=0.0) for _, queue in recording.health]
    boxes = sorted({name for _, queue in recording.health for name in queue})
    worst = {b: 1000 * max(q.get(b, 0.0) for _, q in recording.health) for b in boxes}
    late = ", ".join(f"{name} {age:.0f}" for name, age in worst.items() if age >= 0.5) or "none"
    dropped = ", ".join(f"{name} {n}" for name, n in sorted(recording.drops.items()) if n) or "none"
    return Row(
        key="queues",
        what="oldest message in any queue, sampled once a second",
        measured=f"at most {max(oldest, default=0.0):.0f} ms",
        note=f"greatest age by queue, ms: {late}; replaced or skipped: {dropped}",
        values={f"dropped_{name}": n for name, n in recording.drops.items()},
        samples={"queue_age_ms": oldest},
    )


def memory_rows(paced: Watched, replay: Watched | None, asr: str | None) -> list[Row]:
    """Peak memory of whole processes, and whether it grows after the first minute."""
    peaks = {"paced": paced.peak_mb, **({"replay": replay.peak_mb} if replay else {})}
    peak = max(peaks.values())
    fits = asr is not None and asr.startswith("moonshine")
    shown = ", ".join(f"{name} {mb:.0f} MB" for name, mb in peaks.items())
    row = Row(
        key="memory_peak_mb",
        what="peak memory",
        measured=f"{peak:.0f} MB",
        target="at most 900 MB",
        note=f"{shown}, with the processes it starts",
        values=peaks,
        samples={"peak_mb": [peak]},
    )
    return [row.evaluated(peak <= 900, fits, "evaluated with moonshine"), memory_slope_row(paced)]


def memory_slope_row(paced: Watched) -> Row:
    """Slope of memory after the first minute."""
    later = [(t, mb) for t, mb in paced.memory if t >= STEADY_FROM_S]
    long = paced.wall_s >= STEADY_LEAST_S
    found = slope([t for t, _ in later], [mb for _, mb in later]) if long else None
    row = replace(
        slope_row(
            "memory_growth",
            "memory after the first minute",
            found,
            "MB",
            f"at most {MAY_GROW_MB:g} MB over the run",
            "needs --minutes 2 or more",
        ),
        samples={"memory_mb": [mb for _, mb in later]},
    )
    if found is None:
        return row
    note = f"{later[0][1]:.0f} MB after the first minute, {later[-1][1]:.0f} MB at the end"
    return replace(row, note=note).evaluated(found.per_minute * found.minutes <= MAY_GROW_MB)


def cpu_row(paced: Sequence[Watched], seconds: float, asr: str) -> Row:
    """Processor time for each second of the clip, once it runs; children and all threads in it.

    The mean of the runs, each on a clip of ``seconds``.
    """
    spent = mean(run.cpu_s - run.ready_cpu_s for run in paced)
    start_s, children_s = (
        mean(getattr(run, name) for run in paced) for name in ("ready_cpu_s", "children_cpu_s")
    )
    per_second = spent / seconds
    apart = asr == "none"
    most = MOST_CPU if apart else MOST_CPU_WITH_ASR
    row = Row(
        key="cpu_no_words" if apart else "cpu_with_words",
        what=f"processor time a second of clip, {'without ASR' if apart else f'ASR by {asr}'}",
        measured=f"{per_second:.3f} s",
        target=f"at most {most} s",
        note=f"paced; all cores together; start-up, {start_s:.1f} s, apart; "
        f"{children_s / seconds:.3f} s of it in other processes that it started",
        values={
            "cpu_s_per_s": per_second,
            "children_cpu_s_per_s": children_s / seconds,
            "start_cpu_s": start_s,
        },
        samples={"cpu_s_per_s": [s for run in paced for s in run.cpu_per_second]},
    )
    return row.evaluated(
        per_second <= most, seconds >= LEAST_CPU_S, "evaluated with a clip of 60 s"
    )


def replay_row(asr: str, run: Watched, seconds: int, frames: int, least: float) -> Row:
    """Seconds of clip for each second from process start to exit, start-up included."""
    speed = seconds / run.wall_s
    ready_s = run.ready_s or 0.0
    after = seconds / (run.wall_s - ready_s)
    row = Row(
        key="replay_no_words" if asr == "none" else "replay",
        what=f"replay at --pace max, {'without ASR' if asr == 'none' else f'ASR by {asr}'}",
        measured=f"{speed:.2f}x real time",
        target=f"at least {least:g}x",
        note=f"whole process, {run.wall_s:.1f} s; {after:.2f}x without its {ready_s:.1f} s of "
        f"start-up; {frames / seconds:.1f} frames analysed a second of clip; {run.cpu_s:.0f} s of "
        "CPU",
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
    otherwise = f"evaluated with a clip of {FULL_CLIP_S} s"
    return row.evaluated(speed >= least, seconds >= FULL_CLIP_S, otherwise)


def first_label_row(times: Sequence[tuple[float, float]]) -> Row:
    """Time from the start of the command's process to its first lines; the median of the runs."""
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


def engine(asr: str | None) -> str:
    """Name alone of a speech recognizer: "moonshine" of "moonshine (tiny-en)"."""
    return "none" if asr is None else asr.split()[0]
