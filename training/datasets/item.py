"""Labelled item of a corpus, and the result of reading a corpus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Item:
    """One labelled item; ``label`` is an index into EMOTIONS.

    ``key`` names the item within its corpus and split ("Actor_01/03-01-05-01-01-01-01.wav",
    "dia3_utt4", "row 17"). Of ``path`` the seconds ``start_s`` to ``end_s`` count, all where None.
    ``past`` are the earlier texts of the dialogue, oldest first, with or without a label.
    ``pixels`` is an image that has no file of its own, uint8 (H, W) grey or (H, W, 3) BGR.
    """

    corpus: str
    key: str
    label: int
    split: str = ""
    speaker: str = ""
    dialogue: str = ""
    path: Path | None = None
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    past: tuple[str, ...] = ()
    pixels: NDArray[np.uint8] | None = None

    @property
    def id(self) -> str:
        """ "corpus/split/key", without the split where there is none."""
        return "/".join(part for part in (self.corpus, self.split, self.key) if part)

    @property
    def speaker_group(self) -> str:
        """ "corpus/speaker" as in ``Seen.groups``; empty where the speaker is unknown."""
        return f"{self.corpus}/{self.speaker}" if self.speaker else ""

    @property
    def dialogue_group(self) -> str:
        """ "corpus/split/dialogue" (ids may restart in each split); empty where there is none."""
        return f"{self.corpus}/{self.split}/{self.dialogue}" if self.dialogue else ""


@dataclass(frozen=True)
class Reading:
    """The items of a corpus, and counts of those left out, by reason ("calm maps to none": 8)."""

    items: list[Item]
    dropped: Counter[str] = field(default_factory=Counter)
