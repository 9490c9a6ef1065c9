"""`mmer-bench throughput`: more and more streams at once, until they are late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer.benchmarks.harness.clip import AnnotatedClip, describe, make_clip
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.tables import Table, TabledReport
from mmer.benchmarks.throughput.decoding import decoding_cpu
from mmer.benchmarks.throughput.measures import Load, capacity_row, load_of, row_of, shown_ms
from mmer.benchmarks.throughput.search import search
from mmer.benchmarks.throughput.settings import ThroughputSettings, cores
from mmer.benchmarks.throughput.step import Step, play


@dataclass(frozen=True)
class Found:
    """The report, and what its picture is drawn from."""

    report: TabledReport
    loads: Sequence[Load]


def run(
    settings: ThroughputSettings,
    command: str,
    say: Callable[[str], None],
    play_step: Callable[[Sequence[AnnotatedClip], ThroughputSettings], Step] = play,
) -> Found:
    """Measure everything; ``say`` hears what is going on. Raises MmerError."""
    machine = describe_machine()  # first: the load before our own
    say("assembling clips")
    clips = Clips(settings.seconds)
    decoding = decoding_cpu(clips.first(1)[0])
    steps: dict[int, Step] = {}
    loads: dict[int, Load] = {}

    def carries(count: int) -> bool:
        say(f"{count} at once for {settings.seconds} s")
        steps[count] = play_step(clips.first(count), settings)
        loads[count] = load_of(steps[count])
        return not loads[count].too_much

    if settings.streams:
        for count in sorted(set(settings.streams)):
            carries(count)
    else:
        search(carries, settings.most)
    ordered = [loads[count] for count in sorted(loads)]
    one = loads.get(1)
    told = steps[min(steps)].workers
    cost = decoding_row(decoding, one)
    report = TabledReport(
        kind="throughput",
        title=f"mmer-bench throughput: streams of {settings.seconds} s, "
        f"{min(settings.processes, max(loads))} processes, words: {settings.asr}",
        command=command,
        machine=machine,
        settings={
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(settings).items()
        },
        clip=describe(clips.made[0]) | {"different": len(clips.made)},
        models=told[0].models if told else {},
        provider=told[0].used if told else {},
        rows=[
            capacity_row(ordered, settings.asr, cores(), searched=not settings.streams),
            *(row_of(load, one) for load in ordered),
            cost,
        ],
        tables=[side_by_side(ordered, one), Table(["", ""], [[cost.what, cost.measured]])],
    )
    return Found(report, ordered)


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
        shown_ms(load.face.p50),
        shown_ms(load.face.p95),
        shown_ms(load.final.p50),
        shown_ms(load.final.p95),
        f"{mean:.1f} ({min(load.frames_per_s):.1f})",
        str(load.dropped),
        f"{load.cpu:.2f}",
        f"{load.cpu_each:.3f}",
        "" if one is None else f"{load.cpu_each / one.cpu_each:.2f}",
        f"{load.cpu_ms_a_frame:.1f}",
        f"{load.memory_mb:.0f}",
        f"{load.memory_mb / load.streams:.0f}",
    ]
