"""Measures of so many streams at once, and the limits of too many: every definition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mmer.benchmarks.harness.matching import Result, match
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.rows import milliseconds
from mmer.benchmarks.report.statistics import Summary, summarise
from mmer.benchmarks.throughput.step import Step

LIMIT_MS: Final = 1000.0
"""Limit of the 95th percentile of both delays."""
ASKED_PER_S: Final = 20.0
"""Frames that a session asks for, a second."""
LEAST_PER_S: Final = ASKED_PER_S / 2
"""Fewer analysed in any stream is too few: a session that drops frames is never late."""
TARGET: Final = 16
TARGET_WITH_WORDS: Final = 8
TARGET_CORES: Final = 2


@dataclass(frozen=True)
class Load:
    """So many streams: their delays together, the worst of them, and what they cost."""

    streams: int
    face: Summary  # ms, frame captured to estimate written, of all streams together
    final: Summary  # ms, annotated end of speech to final label, of all together
    worst_p95: float  # ms, of a single stream's face delay
    frames_per_s: Sequence[float]  # by stream
    dropped: int  # frames and faces that a newer one replaced
    cpu: float  # seconds of processor a second, all streams together
    memory_mb: float
    samples: Mapping[str, Sequence[float]]

    @property
    def cpu_each(self) -> float:
        """Seconds of processor a second of one stream."""
        return self.cpu / self.streams

    @property
    def cpu_ms_a_frame(self) -> float:
        """Milliseconds of processor for each frame analysed, all other work included.

        Where streams drop frames they cost less a second, which is no merit.
        """
        frames = sum(self.frames_per_s)
        return 1000 * self.cpu / frames if frames else math.inf

    @property
    def too_much(self) -> str:
        """Reasons why these are too many; "" where they are not."""
        reasons = []
        if not self.face.p95 <= LIMIT_MS:
            reasons.append(f"frame to estimate p95 {milliseconds(self.face.p95)}")
        if not self.final.p95 <= LIMIT_MS:
            reasons.append(f"end of speech to label p95 {milliseconds(self.final.p95)}")
        if min(self.frames_per_s) < LEAST_PER_S:
            reasons.append(f"{min(self.frames_per_s):.1f} frames/s in a stream")
        return ", ".join(reasons)


def load_of(step: Step) -> Load:
    """Every figure of a step."""
    faces, finals, worst, misses = [], [], 0.0, 0
    for clip, stream in zip(step.clips, step.streams, strict=True):
        estimates = [e for e in stream.estimates if e.has_evidence]
        delays = [1000 * e.face_delay_s for e in estimates if e.face_delay_s is not None]
        faces += delays
        # a stream that never showed a face is as late as can be
        worst = max(worst, summarise(delays).p95 if delays else math.inf)
        results = [Result(e.t0, e.t1, e.written) for e in estimates if e.final]
        matching = match(clip.spans, results)
        finals += [1000 * s for s in matching.delays_s]
        misses += matching.misses
    return Load(
        streams=len(step.streams),
        face=summarise(faces),
        final=summarise(finals, misses),
        worst_p95=worst,
        frames_per_s=[len(set(stream.frames)) / step.seconds for stream in step.streams],
        dropped=sum(s.drops.get("video", 0) + s.drops.get("face", 0) for s in step.streams),
        cpu=step.cpu_s / step.seconds,
        memory_mb=step.memory_mb,
        samples={"frame_to_estimate_ms": faces, "end_to_final_ms": [*finals, *[math.inf] * misses]},
    )


def row_of(load: Load, one: Load | None) -> Row:
    """A step as a row; ``one`` is the step of a single stream, where it was measured."""
    ratio = math.nan if one is None else load.cpu_each / one.cpu_each
    plural = "stream" if load.streams == 1 else "streams"
    return Row(
        key=f"streams_{load.streams}",
        what=f"{load.streams} {plural}",
        measured=(
            f"frame to estimate p95 {milliseconds(load.face.p95)}, end of speech to label p95 "
            f"{milliseconds(load.final.p95)}, {load.cpu_each:.3f} CPU s/s each"
        ),
        values={
            "face_p50": load.face.p50,
            "face_p95": load.face.p95,
            "face_p95_worst_stream": load.worst_p95,
            "final_p50": load.final.p50,
            "final_p95": load.final.p95,
            "final_misses": load.final.misses,
            "frames_per_s": sum(load.frames_per_s) / load.streams,
            "frames_per_s_least": min(load.frames_per_s),
            "dropped": load.dropped,
            "cpu_s_per_s": load.cpu,
            "cpu_s_per_s_each": load.cpu_each,
            "times_one_stream": ratio,
            "cpu_ms_a_frame": load.cpu_ms_a_frame,
            "memory_mb": load.memory_mb,
            "memory_mb_each": load.memory_mb / load.streams,
        },
        samples=load.samples,
    )


def capacity_row(loads: Sequence[Load], asr: str, cores: int, searched: bool) -> Row:
    """Largest number of streams within the limits, and the limit that the next step exceeded."""
    carried = [load.streams for load in loads if not load.too_much]
    broken = [load for load in loads if load.too_much]
    most = max(carried, default=0)
    notes = [f"{load.streams}: {load.too_much}" for load in broken[:1]] or ["more were not tried"]
    target = TARGET if asr == "none" else TARGET_WITH_WORDS
    comparable = cores == TARGET_CORES
    if not comparable:
        notes.append(f"evaluated on {TARGET_CORES} cores, here {cores}")
    reached = most >= target
    # a list of --streams that lacks the target is no verdict where all of it was carried
    decided = reached or searched or any(load.streams <= target for load in broken)
    return Row(
        key="capacity",
        what="streams carried, both p95 at most 1 s",
        measured=str(most) if broken else f"{most} or more",
        target=f"at least {target} on {TARGET_CORES} cores",
        passed=reached if comparable and decided else None,
        note="; ".join(notes),
        values={"streams": most},
        better="more",
    )
