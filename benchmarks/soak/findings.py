"""Rows of a soak with their verdicts: pace, losses, drift of sound and video, memory, resources."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.process import Sample, Watched
from mmer.benchmarks.harness.trace import Recording
from mmer.benchmarks.live import trends
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import slope_row
from mmer.benchmarks.report.statistics import slope

Stamp = tuple[float, float]
"""True time of a moment of the clip, and the capture time that its message bore; seconds."""

MAY_LAG_S: Final = 2.0  # of the clip, at its end: what is open is finished, no more
BLOCKS: Final = 15  # of a run, for the interval of its memory's slope
STEADY_FROM_S: Final = 120.0  # of the clip: caches fill, and the heap settles
LEAST_S: Final = 1800.0
LEAST_ROUNDS: Final = 3
NEAR_S: Final = 1.0  # a frame so near to an onset is of the same moment, as drift goes
MAY_DRIFT_MS: Final = 1.0  # an hour: a day of it stays below what people notice (ITU-R BT.1359)


@dataclass
class SoakRecording(Recording):
    """A soak's recording, with the stamps of its marks; seconds of the clip."""

    frame_stamps: list[Stamp] = field(default_factory=list)
    onset_stamps: list[Stamp] = field(default_factory=list)
    heaps: list[tuple[float, float, float]] = field(default_factory=list)
    """Moment, MB of the heaps in use, and MB that lie free in them."""
    over: float | None = None  # when the session had ended; None where it was killed
    resources: list[tuple[str, int, int]] = field(default_factory=list)
    """Moment, threads, open files."""

    @property
    def until(self) -> float:
        """The clip was played so far."""
        newest = max((t for t, _ in self.health), default=0.0)
        return newest if self.over is None else min(self.over, newest)


def rows(
    recording: SoakRecording, watched: Watched, clip: AnnotatedClip, round_s: int, rate: float
) -> list[Row]:
    """All rows of a soak; ``clip`` is the whole of it, ``round_s`` one round."""
    played = played_part(clip, recording.until, watched.interrupted)
    queues = trends.queue_row(recording)
    asr = trends.engine(recording.models.get("words"))
    cost = trends.cpu_row([watched], played.seconds, asr)
    return [
        pace_row(recording, played, watched.interrupted),
        *count_rows(recording, clip, played.seconds // round_s, round_s),
        drift_row(recording.onset_stamps, recording.frame_stamps, played.seconds, round_s),
        memory_row(watched, rate, played.seconds),
        heaps_row(recording, played.seconds),
        resources_row(recording.resources, watched, rate),
        *[_of_the_world(row, rate) for row in trends.slope_rows(recording, played)],
        replace(queues, note=f"in the world's time; {queues.note}"),
        replace(cost, target="", passed=None),
    ]


def played_part(clip: AnnotatedClip, until: float, interrupted: bool) -> AnnotatedClip:
    """The clip as far as it was played; a sentence under way when it stopped is not in it."""
    if not interrupted:
        return clip
    played = tuple(span for span in clip.spans if span.t1 < until - 1.0)
    return AnnotatedClip(clip.path, int(until), played)


def pace_row(recording: SoakRecording, played: AnnotatedClip, interrupted: bool) -> Row:
    """Lag of the session's end behind the clip's: large where it could not keep up."""
    row = Row(
        "lag_s",
        "end of the clip to end of the session",
        "stopped",
        f"at most {MAY_LAG_S:g} s of the clip",
    )
    if recording.over is None or interrupted:
        return row
    late = recording.over - played.seconds
    note = "" if late <= MAY_LAG_S else "it could not keep up: lower --rate"
    measured = replace(row, measured=f"{late:.2f} s", note=note, values={"lag_s": late})
    return measured.evaluated(late <= MAY_LAG_S)


def count_rows(recording: Recording, clip: AnnotatedClip, rounds: int, round_s: int) -> list[Row]:
    """Utterances found in each round, and those without exactly one final."""
    found = Counter(int(end.t0 // round_s) for end in recording.ends)
    by_round = [found[n] for n in range(rounds)]
    spoken = sum(span.t1 <= round_s for span in clip.spans)
    ended = Counter(end.utterance for end in recording.ends)
    finals = Counter(final.utterance for final in recording.finals)
    words = Counter(transcript.utterance for transcript in recording.transcripts)
    expected = {"labels": finals} | ({"words": words} if recording.models.get("words") else {})
    wrong = {name: sum(((ended - got) + (got - ended)).values()) for name, got in expected.items()}
    lost = sum(wrong.values())
    return [
        Row(
            key="utterances_per_round",
            what="utterances found in each round of the clip",
            measured=f"{min(by_round, default=0)} to {max(by_round, default=0)}",
            target="every round the same",
            note=f"{rounds} whole rounds of {spoken} sentences",
            values={"least": min(by_round, default=0), "most": max(by_round, default=0)},
        ).evaluated(
            min(by_round, default=1) == max(by_round, default=1) > 0,
            rounds >= LEAST_ROUNDS,
            f"evaluated from {LEAST_ROUNDS} on",
        ),
        Row(
            key="finals_per_utterance",
            what="utterances without exactly one final",
            measured=f"{lost} of {len(recording.ends)}",
            target="none",
            note=", ".join(f"{n} by their {name}" for name, n in wrong.items()),
            values={f"wrong_{name}": n for name, n in wrong.items()},
        ).evaluated(lost == 0, enough=bool(recording.ends)),
    ]


def memory_row(watched: Watched, rate: float, seconds: float) -> Row:
    """Slope of memory an hour of the clip, once it has settled."""
    steady = _settled(watched, rate)
    hours = [(s.t * rate, s.mb) for s in steady]
    # memory grows in steps that stay: blocks as long as the time between them
    block_s = max(60.0, seconds / BLOCKS)
    found = slope([t for t, _ in hours], [mb for _, mb in hours], block_s)
    target = "0 within its interval"
    row = slope_row("memory_slope", "memory, children included", None, "MB", target)
    if found is None:
        return row
    per_hour, low, high = (60 * v for v in (found.per_minute, found.low, found.high))
    return replace(
        row,
        measured=f"{per_hour:+.1f} MB/h ({low:+.1f} to {high:+.1f})",
        note=f"{steady[0].mb:.0f} MB once settled, {steady[-1].mb:.0f} MB at the end, at most "
        f"{watched.peak_mb:.0f} MB",
        values={"mb_per_hour": per_hour, "low": low, "high": high, "peak": watched.peak_mb},
        samples={"memory_mb": [mb for _, mb in hours]},
    ).evaluated(low <= 0, seconds >= LEAST_S, f"evaluated from {LEAST_S / 3600:g} h on")


def heaps_row(recording: SoakRecording, seconds: float) -> Row:
    """Slope of what is in use of the heaps: a leak grows here, memory that lies free does not."""
    steady = [(t, used, free) for t, used, free in recording.heaps if t >= STEADY_FROM_S]
    block_s = max(60.0, seconds / BLOCKS)
    found = slope([t for t, _, _ in steady], [used for _, used, _ in steady], block_s)
    target = "0 within its interval"
    row = slope_row("heaps_slope", "of it in use, by the allocator", None, "MB", target)
    if found is None:
        return row
    per_hour, low, high = (60 * v for v in (found.per_minute, found.low, found.high))
    free = [free for _, _, free in steady]
    return replace(
        row,
        measured=f"{per_hour:+.1f} MB/h ({low:+.1f} to {high:+.1f})",
        note=f"glibc's mallinfo2: {median(used for _, used, _ in steady):.0f} MB in use, "
        f"{median(free):.0f} MB free in the heaps (some of it is not resident), at most "
        f"{max(free):.0f}",
        values={"mb_per_hour": per_hour, "low": low, "high": high, "free_mb": median(free)},
        samples={"used_mb": [used for _, used, _ in steady]},
    ).evaluated(low <= 0, seconds >= LEAST_S, f"evaluated from {LEAST_S / 3600:g} h on")


def resources_row(resources: Sequence[tuple[str, int, int]], watched: Watched, rate: float) -> Row:
    """Threads and open files, while it runs and when it is over."""
    steady = _settled(watched, rate)
    if len(steady) < 2:
        what = "threads and open files"
        return Row("resources", what, "not measured", "no growth", note="too short")
    halves = steady[: len(steady) // 2], steady[len(steady) // 2 :]
    threads = [median(sample.threads for sample in part) for part in halves]
    handles = [median(sample.handles for sample in part) for part in halves]
    ends = "; ".join(
        f"{when}: {threads} threads, {files} files" for when, threads, files in resources
    )
    return Row(
        key="resources",
        what="threads and open files, first half and second half",
        measured=f"{threads[0]:g} and {threads[1]:g} threads, "
        f"{handles[0]:g} and {handles[1]:g} files",
        target="no growth",
        passed=threads[1] <= threads[0] and handles[1] <= handles[0],
        note=f"medians; {ends}",
        values={
            "threads_first": threads[0], "threads_second": threads[1],
            "files_first": handles[0], "files_second": handles[1],
        },
    )  # fmt: skip


def _settled(watched: Watched, rate: float) -> list[Sample]:
    """Samples from when the clip has played for a while to just before the end."""
    ready = watched.ready_s or 0.0
    return [s for s in watched.samples[:-2] if (s.t - ready) * rate >= STEADY_FROM_S]


def _of_the_world(row: Row, rate: float) -> Row:
    """A delay's slope is evaluated in real time alone."""
    if rate == 1 or not row.target:
        return row
    note = f"at {rate:g} times real time, in seconds of the clip: evaluated with --real"
    return replace(row, passed=None, note=note)


def offsets_ms(onsets: Sequence[Stamp], frames: Sequence[Stamp]) -> list[tuple[float, float]]:
    """At each onset: its true time, and by how much the sound is stamped later than the frame.

    The error of the onset's stamp less that of the nearest frame's; onsets with no frame near are
    left out. Both in order of time.
    """
    times = [truth for truth, _ in frames]
    out = []
    for truth, stamped in onsets:
        at = bisect.bisect_left(times, truth)
        around = frames[max(0, at - 1) : at + 1]
        near = min(around, key=lambda frame: abs(frame[0] - truth), default=None)
        if near is not None and abs(near[0] - truth) <= NEAR_S:
            late_ms = 1000 * ((stamped - truth) - (near[1] - near[0]))
            out.append((truth, round(late_ms, 6) + 0.0))  # sums of floats: below a nanosecond
    return out


def drift_row(
    onsets: Sequence[Stamp], frames: Sequence[Stamp], seconds: float, block_s: float
) -> Row:
    """The slope of the offset between sound and video, in ms an hour of the clip."""
    offsets = offsets_ms(onsets, frames)
    found = slope([t for t, _ in offsets], [ms for _, ms in offsets], block_s)
    target = f"within {MAY_DRIFT_MS:g} ms an hour, the whole interval"
    row = slope_row("av_drift", "drift between sound and video", None, "ms", target)
    row = replace(row, samples={"offset_ms": [ms for _, ms in offsets]})
    if found is None:
        return row
    per_hour, low, high = (
        round(60 * v, 6) + 0.0 for v in (found.per_minute, found.low, found.high)
    )
    otherwise = f"evaluated with {LEAST_S / 3600:g} hours or more"
    return replace(
        row,
        measured=f"{per_hour:+.3f} ms/h ({low:+.3f} to {high:+.3f})",
        note=f"{len(offsets)} onsets of sentences, each against the frame of its moment; "
        f"offset {offsets[0][1]:+.1f} ms at the start, {offsets[-1][1]:+.1f} ms at the end",
        values={"ms_per_hour": per_hour, "low": low, "high": high, "n": len(offsets)},
    ).evaluated(max(abs(low), abs(high)) <= MAY_DRIFT_MS, seconds >= LEAST_S, otherwise)
