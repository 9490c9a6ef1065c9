"""Corpus entry: reader, modalities, splits, labels, licence and source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mmer.training.datasets.item import Reading

ALL: Final = "all"
"""The split that takes everything found."""
EVERY_MODALITY: Final = ("speech", "text", "face", "clip")


@dataclass(frozen=True)
class Corpus:
    """All facts of one corpus; a corpus of noise has no reader, modalities, splits and labels."""

    licence: str
    """What its makers allow, as the card repeats it; unknown where they do not say."""
    source: str
    """Name, authors, year, and the address or repository."""
    read: Callable[[Path, str, str], Reading] | None = None
    """Inputs root, modality and split; None: sounds without labels."""
    modalities: tuple[str, ...] = ()
    splits: tuple[str, ...] | None = ()
    """Official ones, besides ``ALL``; None where each table has its own."""
    default: str = ALL
    """The official test split where there is one."""
    labels: Mapping[str, int | None] = field(default_factory=dict)
    """Its own labels, in the reader's spelling: index into EMOTIONS, or None for none of them."""
