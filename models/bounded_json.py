"""JSON of files that anyone may have written: bounded in size, depth and numbers."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, Final

LARGEST_BYTES: Final = 16_000_000
"""A model card has some thousand."""
LARGEST_WHOLE: Final = 2**63
"""Whole numbers beyond this are refused: Python's have no end."""


def read_json(path: Path) -> Any:
    """The JSON of a regular file of at most ``LARGEST_BYTES``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a file (a pipe or a device never ends), not JSON, or too large, too
            deep, or with a whole number too large.
    """
    found = path.stat()
    size = found.st_size
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a file")
    if size > LARGEST_BYTES:
        raise ValueError(f"{size} bytes of JSON, expected {LARGEST_BYTES} at most")
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(value := int(digits)) > LARGEST_WHOLE:
        raise ValueError(f"the number {digits[:20]}... is too large")
    return value
