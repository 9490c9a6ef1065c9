"""Command line of `mmer-live export`: a run's JSON lines as files of other programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mmer.models.errors import MmerError
from mmer.realtime.commands.command_line import parse
from mmer.realtime.exports.registry import SUFFIXES, check_export, check_run, export, files_of
from mmer.realtime.exports.run import Run
from mmer.realtime.sinks.output import refuse_twice


@dataclass(frozen=True)
class Arguments:
    """Export a run, from the JSON lines that --output has written.

    A run that was killed exports as far as it came.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN.jsonl")]
    """JSON lines of one session, or the folder of a recording."""
    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FILE [FILE]")]
    """Files to write; the ending says the format: .eaf (ELAN), .vtt, .srt (captions), .xml
    (EmotionML), .parquet, .csv (tables), .TextGrid (Praat)."""


def run(argv: Sequence[str]) -> int:
    """Parse the command line and write the files; the exit status. Raises MmerError."""
    arguments = parse(Arguments, "mmer-live export", argv)
    if not arguments.files:
        raise MmerError(f"name one or more files to write: FILE{SUFFIXES}")
    refuse_twice([written for file in arguments.files for written in files_of(file)])
    given = Run(arguments.run)
    for file in arguments.files:  # all of them first: a wrong name leaves nothing half-done
        check_export(file, given.path)
    check_run(given)
    for file in arguments.files:
        export(given, file)
    if given.damaged:
        print(f"mmer-live: {given.damaged} damaged lines were passed over", file=sys.stderr)
    return 0
