"""Files of a model: inside its card's folder, regular and whole."""

from __future__ import annotations

import os
import re
import stat
from importlib import resources
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError

_EXTERNAL_DATA: Final = re.compile(rb"(?:\n|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")
"""How a tensor of an ONNX file names the file of its values: the key of ``external_data``, with
its tag and length, which may be written longer than they need be."""
_ORT_FORMAT: Final = slice(4, 8), b"ORTM"
"""ONNX Runtime's own format, which it tells by these bytes, names other files elsewhere."""


def weights_dir() -> Path:
    """The folder of the networks that come with mmer."""
    return Path(str(resources.files("mmer.models.weights")))


def mend(path: Path) -> str:
    """What to do about a bad file, in the shipped folder or another."""
    if path.parent == weights_dir():
        return "install mmer-live again, or name another folder with --weights"
    return f"repair the files in {path.parent}, or omit --weights for the shipped models"


def check_name(option: str, path: str | Path | None) -> None:
    """Raise MmerError where no file can have the name ``path``: too long, with a NUL, not text."""
    try:
        if path is not None:
            os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MmerError(
            f"{option} is {str(path)[:80]!r}: no file has such a name ({why})"
        ) from error


def beside(folder: Path, name: str, what: str) -> Path:
    """The file ``name`` in ``folder``, where ``what`` of a card names it.

    Raises:
        MmerError: the name leads elsewhere.
    """
    if name in ("", ".", "..") or not name.isprintable() or re.search(r"[/\\:]", name):
        raise MmerError(f"{what} is {name!r}, expected a name in the card's folder")
    return folder / name


def check_regular(path: Path) -> None:
    """See that ``path`` is a file in its own folder: no pipe, no device, no link that leads out.

    Links in the shipped folder are those of whoever installed it.

    Raises:
        MmerError: it is something else, or is not there.
    """
    try:
        kind = os.stat(path).st_mode
        outside = not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MmerError(f"{path} cannot be read: {why}; {mend(path)}") from error
    if not stat.S_ISREG(kind):
        raise MmerError(f"{path} is not a file; {mend(path)}")
    if outside and path.parent != weights_dir():
        raise MmerError(f"{path} is a link out of its folder: copy the file there")


def check_file(path: Path, sha256: str) -> None:
    """See that a model's file is there and whole.

    Raises:
        MmerError: it is missing, not a file in its folder, or its bytes are not those that the
            card names.
    """
    if not os.path.lexists(path):
        raise MmerError(f"the model file {path} is missing; {mend(path)}")
    check_regular(path)
    found = sha256_of(path)
    if found != sha256:
        raise MmerError(
            f"the model file {path} is damaged or another version: its sha256 starts {found[:12]}, "
            f"its card says {sha256[:12]}; {mend(path)}"
        )


def has_external_data(path: Path) -> bool:
    """Whether an ONNX file may name another file, of whose bytes its card knows nothing."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        place, mark = _ORT_FORMAT
        return content[place] == mark or _EXTERNAL_DATA.search(content) is not None
