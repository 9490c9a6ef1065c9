"""`mmer-bench throughput`: more and more live streams at once, until they are late."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mmer.benchmarks.harness.clip import AnnotatedClip, describe, make_clip
from mmer.benchmarks.harness.command import (
    Asr,
    OptionalFolder,
    Say,
    SessionOptions,
    check_ranges,
)
from mmer.benchmarks.harness.machine import allowed_cores
from mmer.benchmarks.harness.media import read_media
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.report.report import Report, Row, check_folder
from mmer.benchmarks.report.rows import milliseconds
from mmer.benchmarks.report.tables import Table
from mmer.benchmarks.throughput.measures import (
    LEAST_PER_S,
    LIMIT_MS,
    Load,
    capacity_row,
    load_of,
    row_of,
)
from mmer.benchmarks.throughput.step import Step, play
from mmer.benchmarks.throughput.worker import WorkerPlan
from mmer.models.errors import MmerError
from mmer.realtime.options import Options

MOST: Final = 256


@dataclass(frozen=True, kw_only=True)
class Throughput(SessionOptions):
    """Number of live streams that this machine carries, and their cost from 1 to N.

    Sessions in real time, several to a process on shared networks whose calls run together;
    each plays a clip of its own order and starts at another moment. 1, 2, 4, ... at once and then
    between, until the 95th percentile of either delay (frame captured to estimate written; end of
    speech to final label) passes one second, or a stream analyses fewer than 10 of the 20 frames
    a second that it asks for.
    """

    asr: Asr = "none"
    """Speech recognizer, as in mmer-live; the target is for none."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    processes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Processes to spread the streams over; left out: two a core, for the threads of one wait for
    each other."""
    seconds: int = 30
    """Length of each run."""
    most: int = 64
    """More streams are not tried."""
    streams: Annotated[str | None, tyro.conf.arg(metavar="NUMBERS")] = None
    """Measure these numbers, with commas between, and search no further."""

    @property
    def spread(self) -> int:
        """Processes to spread the streams over."""
        return 2 * cores() if self.processes is None else self.processes

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of streams to measure; none to search; raises MmerError."""
        return () if self.streams is None else _numbers(self.streams)

    def check(self) -> None:
        super().check()
        check_ranges(
            ("--processes", self.spread, 1, MOST),
            ("--seconds", self.seconds, 5, 3600),
            ("--most", self.most, 1, MOST),
            *(("--streams", count, 1, MOST) for count in self.counts),
        )
        check_folder("--weights", self.weights)

    def run(self, say: Say) -> Report:
        return self.measured(say, self.play)

    def play(self, clips: Sequence[AnnotatedClip]) -> Step:
        """Play the clips all at once; raises MmerError."""
        weights = None if self.weights is None else str(self.weights)
        return play(clips, self.spread, WorkerPlan(self.asr, self.detector, self.provider, weights))

    def measured(self, say: Say, play: Callable[[Sequence[AnnotatedClip]], Step]) -> Report:
        """Measure with ``play``, which plays so many clips at once; raises MmerError."""
        say("assembling clips")
        clips = Clips(self.seconds)
        decoding = decoding_cpu(clips.first(1)[0])
        steps: dict[int, Step] = {}
        loads: dict[int, Load] = {}

        def carries(count: int) -> bool:
            say(f"{count} at once for {self.seconds} s")
            steps[count] = play(clips.first(count))
            loads[count] = load_of(steps[count])
            return not loads[count].too_much

        if self.counts:
            for count in sorted(set(self.counts)):
                carries(count)
        else:
            search(carries, self.most)
        ordered = [loads[count] for count in sorted(loads)]
        one = loads.get(1)
        first = steps[min(steps)].streams[0]
        cost = decoding_row(decoding, one)
        return Report(
            kind="throughput",
            title=f"mmer-bench throughput: streams of {self.seconds} s, "
            f"{min(self.spread, max(loads))} processes, asr: {self.asr}",
            settings=self.settings(
                weights=None if self.weights is None else "WEIGHTS",
                processes=self.spread,
                streams=self.counts,
            ),
            clip=describe(clips.made[0]) | {"different": len(clips.made)},
            models=first.models,
            provider=first.provider,
            rows=[
                capacity_row(ordered, self.asr, cores(), searched=not self.counts),
                *(row_of(load, one) for load in ordered),
                cost,
            ],
            draw=lambda path: draw(ordered, path),
            tables=[side_by_side(ordered, one), Table(["", ""], [[cost.what, cost.measured]])],
        )


def _numbers(listed: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in listed.split(","))
    except ValueError as error:
        raise MmerError(f"--streams {listed!r}: expected numbers with commas, as 1,4,8") from error


def cores() -> int:
    """Processor cores that this process may use."""
    return allowed_cores() or os.cpu_count() or 1


class Clips:
    """Annotated clips of the same sentences, each beginning with another: none is in step.

    Made when they are first asked for; after as many as there are sentences they come again.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._sentences = demo_utterances()
        self.made: list[AnnotatedClip] = []

    def first(self, count: int) -> list[AnnotatedClip]:
        """One for each of ``count`` streams."""
        different = min(count, len(self._sentences))
        for k in range(len(self.made), different):
            order = [*self._sentences[k:], *self._sentences[:k]]
            self.made.append(make_clip(order, self._seconds))
        return [self.made[i % len(self._sentences)] for i in range(count)]


def decoding_row(decoding: float, one: Load | None) -> Row:
    """The clip's decoding by itself, and its share in a stream."""
    share = "" if one is None else f", {100 * decoding / one.cpu:.0f} % of one stream"
    return Row(
        key="decoding",
        what="of which decoding the clip (H.264, 640x480)",
        measured=f"{decoding:.3f} CPU s/s{share}",
        values={
            "cpu_s_per_s": decoding,
            "share_of_one_stream": None if one is None else decoding / one.cpu,
        },
    )


def side_by_side(loads: Sequence[Load], one: Load | None) -> Table:
    """A line a number of streams."""
    headings = [
        "streams", "frame to estimate p50", "p95", "end of speech to label p50", "p95",
        "frames/s (least)", "replaced", "CPU s/s", "each", "x one", "CPU ms a frame", "MB", "each",
    ]  # fmt: skip
    return Table(headings, [_line(load, one) for load in loads])


def _line(load: Load, one: Load | None) -> list[str]:
    mean = sum(load.frames_per_s) / load.streams
    return [
        str(load.streams) + ("" if not load.too_much else " (too many)"),
        milliseconds(load.face.p50),
        milliseconds(load.face.p95),
        milliseconds(load.final.p50),
        milliseconds(load.final.p95),
        f"{mean:.1f} ({min(load.frames_per_s):.1f})",
        str(load.dropped),
        f"{load.cpu:.2f}",
        f"{load.cpu_each:.3f}",
        "" if one is None else f"{load.cpu_each / one.cpu_each:.2f}",
        f"{load.cpu_ms_a_frame:.1f}",
        f"{load.memory_mb:.0f}",
        f"{load.memory_mb / load.streams:.0f}",
    ]


def search(carries: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to ``most`` that ``carries`` says yes to; 0 where not even 1.

    It asks 1, 2, 4, ... until a no, then between the last yes and that no; each number once. What
    it finds is next to a no, or ``most``; where answers waver, it is one of several such places.
    """
    good, bad = 0, most + 1
    at = 1
    while at < bad:
        if carries(at):
            good, at = at, min(2 * at, most) if at < most else bad
        else:
            bad = at
    while bad - good > 1:
        middle = (good + bad) // 2
        if carries(middle):
            good = middle
        else:
            bad = middle
    return good


def decoding_cpu(clip: AnnotatedClip) -> float:
    """Seconds of processor a second of clip to decode video (thinned as live) and sound."""
    began = time.process_time()
    for _ in read_media(clip.path, "audio", "video", video_fps=Options.video_fps):
        pass
    return (time.process_time() - began) / clip.seconds


def draw(loads: Sequence[Load], path: Path) -> None:
    """By streams: both 95th percentiles, frames analysed, processor time; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 3.8), layout="constrained")
    delays, frames, cost = figure.subplots(1, 3)
    counts = [load.streams for load in loads]
    delays.plot(counts, [load.face.p95 for load in loads], "o-", label="frame to estimate")
    delays.plot(counts, [load.final.p95 for load in loads], "s-", label="end of speech to label")
    delays.axhline(LIMIT_MS, color="red", linestyle="--", label="limit")
    delays.set_yscale("log")
    delays.set_ylabel("p95, ms")
    means = [sum(load.frames_per_s) / load.streams for load in loads]
    frames.plot(counts, means, "o-", label="mean of the streams")
    frames.plot(counts, [min(load.frames_per_s) for load in loads], "s-", label="the least")
    frames.axhline(LEAST_PER_S, color="red", linestyle="--", label="limit")
    frames.set_ylabel("frames analysed a second, each stream")
    cost.plot(counts, [load.cpu for load in loads], "o-", label="all together")
    first = loads[0]
    linear = [first.cpu_each * count for count in counts]
    cost.plot(counts, linear, color="0.5", linestyle=":", label="as many times the first")
    cost.set_ylabel("processor seconds a second")
    for axis in (delays, frames, cost):
        axis.set_xlabel("streams at once")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis in (frames, cost):
        axis.set_ylim(bottom=0)
    figure.savefig(path, dpi=120, metadata={"Software": None})
