"""Inputs of a batch: files, folders, patterns and manifests to the list of recordings."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.sources.address import is_url, resolved
from mmer.realtime.sources.suffixes import SOUNDS, VIDEOS

_MEDIA: Final = SOUNDS | VIDEOS
_TABLES: Final = (".csv", ".txt")


@dataclass(frozen=True, order=True)
class Item:
    """One recording: ``name`` is its path below the folder of all inputs, with slashes."""

    name: str
    path: str  # absolute

    @property
    def size(self) -> int:
        """Bytes; 0 where it is not there."""
        try:
            return os.path.getsize(self.path)
        except OSError:
            return 0

    def lines_below(self, folder: Path) -> Path:
        """Path of its JSON lines in an output folder."""
        return folder / f"{self.name}.jsonl"


def find_items(inputs: Sequence[str]) -> list[Item]:
    """Recordings that ``inputs`` name, each once, sorted by name.

    An input is a media file, a folder (searched to its depths for names of media files; hidden ones
    are left out), a pattern such as ``"talks/**/*.wav"``, or a manifest: a ``.csv`` file with a
    column ``path``, or a ``.txt`` file with a path a line, relative to its own folder. What a
    manifest lists is an item, whether it is there or not.

    Raises:
        MmerError: an input does not exist, matches nothing or is an address; there is no recording.
    """
    paths = sorted({os.path.abspath(path) for text in inputs for path in _paths(text)})
    if not paths:
        raise MmerError(
            "there is no recording: name media files, folders, patterns or a manifest "
            "(.csv with a column path, .txt with a path a line)"
        )
    try:
        root = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError as error:  # Windows: on two drives
        raise MmerError("the inputs lie on different drives: run one batch for each") from error
    names = (Path(os.path.relpath(path, root)).as_posix() for path in paths)
    return sorted(Item(name, path) for name, path in zip(names, paths, strict=True))


def _paths(text: str) -> Iterator[str]:
    if is_url(text):
        raise MmerError(f"{text} is an address: a batch reads files")
    path = resolved(text)
    if os.path.isdir(path):
        yield from _below(path)
    elif os.path.lexists(path):
        yield from _listed(Path(path)) if path.lower().endswith(_TABLES) else [path]
    elif glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise MmerError(f"{text} matches no file")
        yield from (f for f in found if os.path.isfile(f) and _is_media(f))
    else:
        raise MmerError(f"{text} does not exist")


def _below(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and _is_media(name):
                yield os.path.join(place, name)


def _unreadable(error: OSError) -> None:
    """Raise MmerError: a batch without what lies in a folder would look like a whole one."""
    raise MmerError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def _is_media(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _MEDIA


def _listed(manifest: Path) -> Iterator[str]:
    """Paths in a manifest; raises MmerError where it cannot be read."""
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise MmerError(f"cannot read the manifest {manifest}: {why}") from error
    if "\0" in text:
        raise MmerError(f"cannot read the manifest {manifest}: it holds a NUL character, no text")
    if manifest.suffix.lower() == ".csv":
        rows = csv.DictReader(io.StringIO(text, newline=""))
        try:
            if "path" not in (rows.fieldnames or ()):
                raise MmerError(f"{manifest} has no column path: its first line names the columns")
            names = [row["path"] or "" for row in rows]
        except csv.Error as error:
            raise MmerError(f"cannot read the manifest {manifest}: {error}") from error
    else:
        names = text.splitlines()
    if not any(name.strip() for name in names):
        raise MmerError(f"{manifest} lists no file")
    yield from (str(manifest.parent / name.strip()) for name in names if name.strip())
