"""The recordings that train a speech model and those that judge it, in the folder of all data.

The folder ``audio`` holds one folder a corpus, in its official layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.training.datasets.media import decode, sound_files, trim
from mmer.training.datasets.named_corpora import NAMED_FILES
from mmer.training.datasets.registry import read

__all__ = ["Clip", "decode", "development_clips", "read_clips", "training_clips", "trim"]

NOISES: Final = ("esc10",)
"""Corpora of sounds without an emotion."""


@dataclass(frozen=True)
class Clip:
    """One recording; ``label`` is an index into EMOTIONS, or -1 where the corpus has none."""

    path: Path
    corpus: str
    speaker: str
    label: int


def read_clips(root: Path, corpora: Sequence[str]) -> list[Clip]:
    """All clips of the named corpora that have one of the seven emotions; all sounds of a noise.

    Raises:
        MmerError: a corpus is unknown or missing.
    """
    clips = []
    for corpus in corpora:
        folder = root / "audio" / corpus
        if corpus in NOISES:
            clips += [Clip(path, corpus, "", -1) for path in sound_files(folder, corpus)]
            continue
        for item in read(corpus, folder, "speech").items:
            assert item.path is not None  # speech always has one
            clips.append(Clip(item.path, corpus, item.speaker, item.label))
    return clips


def _fold(clip: Clip, fold: str) -> frozenset[str] | None:
    names = NAMED_FILES.get(clip.corpus)
    return names.folds.get(fold) if names else None


def training_clips(clips: Iterable[Clip]) -> list[Clip]:
    """Clips with an emotion, of speakers that no other fold has (of RAVDESS actors 02-16)."""
    return [
        c
        for c in clips
        if c.label >= 0 and ((fold := _fold(c, "train")) is None or c.speaker in fold)
    ]


def development_clips(clips: Iterable[Clip]) -> list[Clip]:
    """Clips with an emotion, of the development speakers (RAVDESS actors 17-20)."""
    return [c for c in clips if c.label >= 0 and c.speaker in (_fold(c, "dev") or ())]
