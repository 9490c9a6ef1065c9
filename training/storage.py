"""Files of training runs and caches: JSON and npz, without pickles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.whole_file import whole_file

CHECKPOINT: Final = "checkpoint.pt"
"""State of a run after its last finished epoch, in its folder."""


def make_folder(path: Path) -> Path:
    """The folder, made with its parents where it is missing.

    Raises:
        MmerError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MmerError(f"cannot make the folder {path}: {error.strerror}") from error
    return path


@contextmanager
def new_folder(path: Path) -> Iterator[None]:
    """``make_folder`` for a run that may be refused: the folders made go again where it raises.

    Those in which something was written stay.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise


def write_json(path: Path, value: Any, *, ensure_ascii: bool = True) -> None:
    """Write indented JSON and a line's end.

    Raises:
        MmerError: the file cannot be written.
    """
    text = json.dumps(value, indent=2, ensure_ascii=ensure_ascii)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write a compressed npz file of exactly this name.

    Raises:
        MmerError: the file cannot be written.
    """
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error


def read_npz(path: Path, otherwise: str) -> dict[str, NDArray[Any]]:
    """All arrays of an npz file.

    Raises:
        MmerError: ``otherwise``; the file cannot be read or is not an npz.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen types; all mean this
        raise MmerError(otherwise) from error


def cached_arrays(
    path: Path | None, compute: Callable[[], Mapping[str, Any]]
) -> Mapping[str, NDArray[Any]]:
    """The arrays in the npz file ``path``, computed and written there where it is missing.

    A file that cannot be read is computed anew. Written whole or not at all, by several processes
    at a time too; without a path nothing is kept.

    Raises:
        MmerError: the file cannot be written.
    """
    if path is not None and path.is_file():
        with suppress(MmerError):
            return read_npz(path, f"{path} is damaged")
    arrays = compute()
    if path is not None:
        make_folder(path.parent)
        with whole_file(path) as part, part.open("wb") as file:  # by name numpy would add an ending
            np.savez(file, **arrays)
    return arrays
