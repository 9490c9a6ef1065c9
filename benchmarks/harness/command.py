"""What the subcommands of `mmer-bench` share: how they are run, and where results are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import tyro

from mmer.benchmarks.report.plots import check_matplotlib
from mmer.benchmarks.report.report import Report, check_writable
from mmer.realtime.asr.registry import ASR_METAVAR

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Folder = Annotated[Path, tyro.conf.arg(metavar="DIR")]
OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Asr = Annotated[str, tyro.conf.arg(metavar=ASR_METAVAR)]
Detector = Literal["auto", "blazeface", "mediapipe", "haar"]
Provider = Literal["auto", "cpu", "cuda", "tensorrt", "ort-tensorrt", "coreml", "directml"]
OptionalFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]


class Command(Protocol):
    """A subcommand: a frozen dataclass whose fields are its options."""

    def measure(self, command: str) -> int:
        """Do it and show what was found; the exit status. ``command`` is how it was called.

        Raises MmerError for what the user can mend.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The options of a command that makes a Report: where it is written, beside the terminal."""

    json: OptionalFile = None
    """File for the results as JSON; `mmer-bench compare` reads it."""
    markdown: OptionalFile = None
    """File for the results as a Markdown table."""

    def check(self) -> None:
        """Refuse, before the work, what could not be written to."""
        for path in (self.json, self.markdown):
            check_writable(path)

    def write(self, report: Report) -> None:
        """Show ``report`` in the terminal and write the files that were asked for."""
        from rich.console import Console

        report.show(Console())
        if self.json is not None:
            self.json.write_text(report.to_json(), encoding="utf-8")
        if self.markdown is not None:
            self.markdown.write_text(report.to_markdown(), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class PicturedOutputs(Outputs):
    """The same for a command that draws a picture as well."""

    plot: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """File for the picture."""

    def check(self) -> None:
        """Refuse, before the work, what could not be written to or drawn."""
        super().check()
        check_writable(self.plot)
        if self.plot is not None:
            check_matplotlib()
