"""Registry of the export formats: one entry a suffix, one function ``(run, path)``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry
from mmer.models.whole_file import whole_file
from mmer.realtime.exports.run import Run
from mmer.realtime.exports.tables import ArrowStreams, utterances_path
from mmer.realtime.sinks.extras import load_package
from mmer.realtime.sinks.output import check_output_path, refuse_input


@dataclass(frozen=True)
class Format(Entry):
    """A file format: ``suffix`` as written, the package that writes it, and its second file."""

    suffix: str = ""
    package: str = ""  # import name; "": the standard library
    second: Callable[[Path], Path] | None = None

    def check(self) -> None:
        """Raise MmerError where its package is missing."""
        if self.package:
            load_package(self.package, "export", self.suffix)


_HERE: Final = "mmer.realtime.exports"
FORMATS: Final = Registry(
    "export format",
    {
        entry.suffix.lower(): entry
        for entry in (
            Format(f"{_HERE}.annotations:write_eaf", "ELAN tiers", "", ".eaf", "pympi"),
            Format(f"{_HERE}.captions:write_vtt", "WebVTT captions", "", ".vtt", "webvtt"),
            Format(f"{_HERE}.captions:write_srt", "SubRip captions", "", ".srt", "webvtt"),
            Format(f"{_HERE}.emotionml:write_emotionml", "EmotionML", "", ".xml"),
            Format(
                f"{_HERE}.tables:write_parquet",
                "tables",
                "",
                ".parquet",
                "pyarrow.parquet",
                utterances_path,
            ),
            Format(f"{_HERE}.tables:write_csv", "tables", "", ".csv", second=utterances_path),
            Format(f"{_HERE}.annotations:write_textgrid", "Praat", "", ".TextGrid", "pympi"),
        )
    },
)
SUFFIXES: Final = "|".join(entry.suffix for _, entry in FORMATS.items())
"""For the help of a command."""


def format_of(path: Path) -> Format:
    """The format of a file's name; raises MmerError where it is unknown or lacks its package."""
    if path.suffix.lower() not in FORMATS:
        raise MmerError(f"cannot export {path}: its name must end in {SUFFIXES}")
    found = FORMATS[path.suffix.lower()]
    found.check()
    return found


def files_of(path: Path) -> list[Path]:
    """Files that an export to ``path`` writes; ``path`` alone where its ending is none of ours."""
    suffix = path.suffix.lower()
    second = FORMATS[suffix].second if suffix in FORMATS else None
    return [path] if second is None else [path, second(path)]


def files_while_live(path: Path) -> list[Path]:
    """Those that an `Export` sink writes while the session runs, its Arrow streams too."""
    streams = ArrowStreams.paths_of(path) if path.suffix.lower() == ".parquet" else ()
    return [*files_of(path), *streams]


def check_export(path: Path, *inputs: str | os.PathLike[str]) -> None:
    """Raise MmerError where ``path`` cannot be exported to, or is one of ``inputs``."""
    format_of(path)
    for file in files_of(path):
        check_output_path(file)
        refuse_input(file, *inputs)


def check_run(run: Run) -> None:
    """Raise MmerError for a run of several people: no format tells them apart."""
    if run.mixes_people:
        raise MmerError(
            f"cannot export {run.path}: it has several people (--people all), whom no format tells "
            "apart; leave one person's emotion lines in it, or use --people speaking"
        )


def export(run: Run, path: Path) -> None:
    """Write ``run`` to ``path`` in the format of its name: wholly, or not at all.

    Raises MmerError as ``check_export`` and ``check_run`` do, and where the disk is full.
    """
    check_export(path, run.path)
    check_run(run)
    found = format_of(path)
    with whole_file(path, found.second) as part:
        FORMATS.load(path.suffix.lower())(run, part)
