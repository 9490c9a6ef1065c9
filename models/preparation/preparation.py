"""What stands between a signal and an encoder: one contract for training and for the live path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Said:
    """An utterance and the ones before it in the dialogue, oldest first."""

    text: str
    past: tuple[str, ...] = ()


Sound = NDArray[np.int16]
"""16 kHz mono, (n,)."""
Frames = NDArray[np.uint8]
"""Pictures or face crops in the order of time, (N, H, W, 3) BGR."""

Raw = TypeVar("Raw", Sound, Said, Frames, contravariant=True)


class Preparation(Protocol, Generic[Raw]):
    """Turns one signal into an encoder's inputs, without torch.

    Its arrays share their first axis, T >= 1 steps (samples, frames of sound, tokens, pictures; 1
    for a vector of the whole). In a batch they are padded with zeros and a mask float32 (B, T) is
    added as the last input: see ``stack``.
    """

    @property
    def kind(self) -> str:
        """Its name in a card: see ``open_preparation``."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What its arrays are called, in the order of the encoder's arguments."""
        ...

    def __call__(self, raw: Raw) -> tuple[NDArray[Any], ...] | None:
        """The arrays of one signal; None where there is nothing to judge (silence, no words)."""
        ...

    def settings(self) -> dict[str, Any]:
        """JSON from which ``open_preparation`` makes the same again; holds ``kind``."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """What must lie beside the card by these names (a tokenizer); mostly none."""
        ...


def stack(rows: Sequence[tuple[NDArray[Any], ...] | None]) -> tuple[NDArray[Any], ...]:
    """Prepared signals as one batch: each array (B, T, ...) zero-padded, then the mask (B, T).

    A None is a row of zeros whose mask is all 0. At least one row must not be None.
    """
    there = [row for row in rows if row is not None]
    steps = max(len(row[0]) for row in there)
    mask = np.zeros((len(rows), steps), np.float32)
    out = [np.zeros((len(rows), steps, *a.shape[1:]), a.dtype) for a in there[0]]
    for b, row in enumerate(rows):
        if row is not None:
            mask[b, : len(row[0])] = 1
            for whole, array in zip(out, row, strict=True):
                whole[b, : len(array)] = array
    return (*out, mask)
