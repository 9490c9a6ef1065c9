"""Files that are whole or absent: written under another name first, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError

PART: Final = ".part"
"""Ends the name of a file that is being written; the name begins with a dot."""


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is whole, or as it was.

    Raises:
        MmerError: it cannot be written.
    """
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def whole_file(path: Path, second: Callable[[Path], Path] | None = None) -> Iterator[Path]:
    """A path to write to, in the same folder; at the end the file is renamed to ``path``.

    ``second`` gives the path of a second file by the first one's, in the same folder; it is
    written, flushed and renamed with it. Where the body raises, what it has written is removed.

    Raises:
        MmerError: a file cannot be written, or the body raises OSError; older files are then as
            they were.
    """
    # not the process's number: a folder may be shared by machines, whose processes have equal ones
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    names = {part: path}
    if second is not None:
        names[second(part)] = second(path)
    try:
        yield part
        for written in names:
            with written.open("r+b") as file:
                os.fsync(file.fileno())  # else a power cut may leave the name without the content
        for written, name in names.items():
            os.replace(written, name)
    except OSError as error:
        raise MmerError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        for written in names:
            with suppress(OSError):
                written.unlink(missing_ok=True)
