"""Options that subcommands of `mmer-bench` share, how one is run, and where its results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

import tyro

from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.report.report import Report, check_writable
from mmer.models.engine.providers import Provider
from mmer.models.errors import MmerError
from mmer.models.whole_file import write_whole
from mmer.realtime.asr.registry import ASR_METAVAR
from mmer.realtime.options import Options
from mmer.realtime.sinks.output import refuse_twice
from mmer.training.plotting import need_matplotlib

Folder = Annotated[Path, tyro.conf.arg(metavar="DIR")]
OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Asr = Annotated[str, tyro.conf.arg(metavar=ASR_METAVAR)]
Detector = Literal["auto", "blazeface", "mediapipe", "haar"]
OptionalFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]

Say: TypeAlias = Callable[[str], None]
"""Shows what is being done."""
NO_SETTINGS: Final = ("json", "markdown", "plot", "quick", "real")
"""Options that a report does not name among its settings."""


class Command(Protocol):
    """A subcommand: a frozen dataclass whose fields are its options."""

    def measure(self, command: str) -> int:
        """Do it and show what was found; the exit status. ``command`` is how it was called.

        Raises MmerError for what the user can fix.
        """


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The options of a command that makes a Report: where it is written, beside the terminal."""

    json: OptionalFile = None
    """File for the results as JSON; `mmer-bench compare` reads it."""
    markdown: OptionalFile = None
    """File for the results as a Markdown table."""

    def measure(self, command: str) -> int:
        """Check the options, measure, show and write; raises MmerError."""
        from rich.console import Console

        self.check()
        machine = describe_machine()  # first: the load before our own
        with Console(stderr=True).status("starting") as status:
            report = self.run(status.update)
        self.write(replace(report, command=command, machine=machine))
        return 0

    def check(self) -> None:
        """Refuse, before the work, options that make no sense and files that cannot be written."""
        for path in self.files:
            check_writable(path)
        refuse_twice([path for path in self.files if path is not None])

    @property
    def files(self) -> list[Path | None]:
        """Files to write, where they were asked for."""
        return [self.json, self.markdown]

    def run(self, say: Say) -> Report:
        """Measure; the command and the machine are filled in afterwards. Raises MmerError."""
        raise NotImplementedError

    def settings(self, **changed: Any) -> Mapping[str, Any]:
        """The options for the report, without places on this machine, some of them ``changed``."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in NO_SETTINGS}
        return {k: "DATA" if isinstance(v, Path) else v for k, v in (given | changed).items()}

    def write(self, report: Report) -> None:
        """Show ``report`` in the terminal and write the files that were asked for."""
        from rich.console import Console

        report.show(Console())
        for path, render in ((self.json, report.to_json), (self.markdown, report.to_markdown)):
            if path is not None:
                write_whole(path, render())


@dataclass(frozen=True, kw_only=True)
class PlotOutputs(Outputs):
    """The options of a command that draws a plot as well."""

    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """File for the plot."""

    @property
    def files(self) -> list[Path | None]:
        return [*super().files, self.plot]

    def check(self) -> None:
        super().check()
        if self.plot is not None:
            need_matplotlib("--plot")

    def write(self, report: Report) -> None:
        super().write(report)
        if self.plot is not None and report.draw is not None:
            report.draw(self.plot)


@dataclass(frozen=True, kw_only=True)
class SessionOptions(PlotOutputs):
    """The options of a command that plays clips to live sessions."""

    asr: Asr = "moonshine"
    """Speech recognizer, as in mmer-live; the targets are for moonshine."""
    detector: Detector = "auto"
    """Face detector, as in mmer-live."""
    provider: Provider = "auto"
    """Execution provider of the networks, as in mmer-live."""

    def check(self) -> None:
        super().check()
        Options(source="clip", **self.parts)  # refuses what the recognizer would

    @property
    def parts(self) -> dict[str, Any]:
        """The options of the recognizer's parts."""
        return {"asr": self.asr, "detector": self.detector, "provider": self.provider}

    def recognizer(self, clip: Path) -> dict[str, Any]:
        """Arguments of `mmer.Recognizer` for a session on ``clip`` that uses no network."""
        return {"source": str(clip), **self.parts, "offline": True}


def some_of(option: str, listed: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The names of ``listed`` ("speech,face"), in its order; all ``known`` where it is None.

    Raises:
        MmerError: a name is unknown, or there is none.
    """
    if listed is None:
        return tuple(known)
    names = tuple(name.strip() for name in listed.split(",") if name.strip())
    if unknown := [name for name in names if name not in known]:
        raise MmerError(f"{option} {','.join(unknown)} is unknown: use {', '.join(known)}")
    if not names:
        raise MmerError(f"{option} is empty: name one or more of {', '.join(known)}")
    return names


def check_count(count: int) -> None:
    """Refuse a ``--count`` below 1; raises MmerError."""
    if count < 1:
        raise MmerError(f"--count is {count}: it must be at least 1")


def check_ranges(*options: tuple[str, float, float, float]) -> None:
    """Refuse an option (name, value, least, most) whose value lies outside; raises MmerError."""
    for option, value, low, high in options:
        if not low <= value <= high:
            raise MmerError(f"{option} is {value:g}: it must lie between {low} and {high}")
