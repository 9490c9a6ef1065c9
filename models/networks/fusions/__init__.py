"""The fusions that recipes name: a table that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Entry:
    """``place`` is "module:Class" below this package."""

    place: str
    summary: str
    paper: str


FUSIONS: Final[Mapping[str, Entry]] = {}
