"""`mmer-bench against`: every program once on the same clip, each in a fresh process."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mmer.benchmarks.baselines.measures import WHAT, Program, rows_of
from mmer.benchmarks.baselines.play import PROGRAMS, READY, SESSION, TRACE
from mmer.benchmarks.harness.clip import AnnotatedClip, describe, make_clip, repeated, rounds_of
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.process import watch
from mmer.benchmarks.harness.trace import Trace
from mmer.benchmarks.harness.utterances import demo_utterances
from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.tables import Table, TabledReport
from mmer.models.errors import MmerError
from mmer.realtime.options import PROVIDER_NAMES, Options

TITLES: Final = {
    "one-thread": "loop: one thread",
    "recorder": "loop: a thread records",
    "listener": "loop: a thread records and listens",
    SESSION: "mmer",
}


@dataclass(frozen=True)
class AgainstSettings:
    """What is measured; raises MmerError for values that make no sense."""

    asr: str = "moonshine"
    detector: str = "auto"
    provider: str = "auto"
    seconds: int = 60  # of the clip
    minutes: float | None = None  # the clip over and over; None: once
    only: tuple[str, ...] = PROGRAMS

    def __post_init__(self) -> None:
        if not 5 <= self.seconds <= 3600:
            raise MmerError(f"a clip of {self.seconds} s: it must last 5 to 3600 s")
        rounds_of(self.minutes, self.seconds)  # refuses what is no length
        Options(source="clip", asr=self.asr)  # refuses what the recognizer would
        if self.provider not in PROVIDER_NAMES:
            known = ", ".join(PROVIDER_NAMES)
            raise MmerError(f"--provider {self.provider!r} is unknown: use {known}")
        if unknown := [name for name in self.only if name not in PROGRAMS]:
            raise MmerError(f"--only {','.join(unknown)} is unknown: use {', '.join(PROGRAMS)}")
        if not self.only:
            raise MmerError(f"--only is empty: name one or more of {', '.join(PROGRAMS)}")

    @property
    def rounds(self) -> int:
        """How often the clip is played."""
        return rounds_of(self.minutes, self.seconds)


@dataclass(frozen=True)
class Found:
    """The report, and what its picture is drawn from."""

    report: TabledReport
    programs: Sequence[Program]
    clip: AnnotatedClip


def run(settings: AgainstSettings, command: str, say: Callable[[str], None]) -> Found:
    """Run every program; ``say`` hears what is going on. Raises MmerError."""
    machine = describe_machine()  # first: the load before our own
    say("assembling the clip")
    clip = repeated(make_clip(demo_utterances(), settings.seconds), settings.rounds)
    programs = []
    for name in settings.only:
        say(f"{TITLES[name]}: playing {clip.seconds} s at the world's pace")
        programs.append(_play(name, settings, clip))
    rows = [rows_of(program, clip) for program in programs]
    newest = programs[-1].trace
    report = TabledReport(
        kind="against",
        title=f"mmer-bench against: {clip.seconds} s clip, {len(clip.spans)} sentences, "
        f"{clip.speech_s:.0f} s of speech",
        command=command,
        machine=machine,
        settings=asdict(settings),
        clip=describe(clip),
        models=newest.models,
        provider=newest.provider,
        rows=[row for group in rows for row in group],
        series={
            f"age_ms.{p.name}": [
                (a.written, 1000 * (a.written - a.frame))
                for a in p.trace.answers
                if a.frame is not None
            ]
            for p in programs
        },
        tables=[side_by_side(programs, rows)],
    )
    return Found(report, programs, clip)


def side_by_side(programs: Sequence[Program], rows: Sequence[Sequence[Row]]) -> Table:
    """A line a measure, a column a program."""
    return Table(
        headings=["", *(program.title for program in programs)],
        lines=[
            [what, *(row.measured for row in line)]
            for what, *line in zip(WHAT.values(), *rows, strict=True)
        ],
    )


def _play(name: str, settings: AgainstSettings, clip: AnnotatedClip) -> Program:
    options = {
        "source": str(clip.path),
        "asr": settings.asr,
        "detector": settings.detector,
        "provider": settings.provider,
    }
    with tempfile.TemporaryDirectory() as folder:
        command = ("-m", "mmer.benchmarks.baselines.play", name, json.dumps(options), folder)
        watched = watch((sys.executable, *command), ready=(Path(folder) / READY).exists)
        trace = Trace.load(Path(folder) / TRACE)
    return Program(name, TITLES[name], trace, watched, names_utterances=name == SESSION)
