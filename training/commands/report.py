"""``mmer-report FOLDER``: a training run as one HTML file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mmer.models.command import run_command
from mmer.realtime.commands.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Write a report of a training run: figures, curves, confusion, calibration, attention.

    It covers the files in the folder: NAME.json or figures.json, curves.csv, predictions.npz,
    attention.npz; and lists missing ones.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """The --output of mmer-train."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The HTML file; by default report.html in the folder."""
    plots: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Write the plots into this folder as PNG, too."""
    resamples: Annotated[int, tyro.conf.arg(metavar="N")] = 2000
    """Draws of the intervals' bootstrap."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Of the draws."""


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    given = sys.argv[1:] if argv is None else argv
    run_command("mmer-report", lambda: _run(parse(Arguments, "mmer-report", given)))


def _run(arguments: Arguments) -> None:
    from mmer.training.metrics.bootstrap import check_draws
    from mmer.training.report.page import write_report

    check_draws(arguments.resamples, arguments.seed)
    path = write_report(
        arguments.folder,
        arguments.output,
        arguments.plots,
        resamples=arguments.resamples,
        seed=arguments.seed,
    )
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
