"""Preparation of a signal for an encoder: one contract for training and for the live path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from mmer.models.preparation.settings import checked
from mmer.models.preparation.text_style import TextStyle

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Lengths:
    """How long the one axis beside the batch gets that is not fixed: frames of sound, or tokens."""

    least: int
    usual: int
    most: int

    @classmethod
    def between(cls, least: int, most: int) -> Lengths:
        """With the middle as the usual length."""
        return cls(least, (least + most) // 2, most)


@dataclass(frozen=True)
class Utterance:
    """An utterance, the ones before it in the dialogue, oldest first, and how they are written."""

    text: str
    past: tuple[str, ...] = ()
    style: TextStyle = "written"


Sound = NDArray[np.int16]
"""16 kHz mono, (n,)."""
Frames = NDArray[np.uint8]
"""Frames or face crops in the order of time, (N, H, W, 3) BGR."""

Raw = TypeVar("Raw", Sound, Utterance, Frames)


class Preparation(ABC, Generic[Raw]):
    """Turns one signal into an encoder's inputs, without torch; immutable.

    The arrays share their first axis, T >= 1 steps (samples, frames of sound, tokens, images; 1
    for a vector of the whole). In a batch they are padded with zeros, and a mask float32 (B, T) is
    the last input of networks that have one: see ``stack``. Of a dataclass the fields are the
    settings.
    """

    kind: ClassVar[str]
    """Its name in a card: see ``open_preparation``."""
    title: ClassVar[str] = "preparation"
    """Noun phrase for tables."""
    names: ClassVar[tuple[str, ...]]
    """Names of its arrays, in the order of the encoder's arguments."""

    @abstractmethod
    def __call__(self, raw: Raw) -> tuple[NDArray[Any], ...] | None:
        """The arrays of one signal; None where there is nothing to evaluate (silence, no word)."""

    @abstractmethod
    def example(self, rng: np.random.Generator) -> Raw:
        """A made-up signal like those that the encoder gets, drawn from ``rng``."""

    def lengths(self) -> Lengths | None:
        """Range of T; None where it is always 1."""
        return None

    def settings(self) -> dict[str, Any]:
        """JSON from which ``open_preparation`` makes the same again; holds ``kind``."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    def files(self) -> Mapping[str, bytes]:
        """Contents by name of the files that must lie beside the card (a tokenizer)."""
        return {}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> Self:
        """The preparation with these ``settings()``, whose files lie in ``folder``.

        Raises:
            MmerError: a setting is missing, unknown, of another type or value; a file is missing
                or damaged; a package is not installed.
        """
        hints = get_type_hints(cls)
        fields: Mapping[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return cls(**checked(settings, {name: hints[name] for name in fields}))


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


def examples(
    preparation: Preparation[Any], inputs: Sequence[str], count: int
) -> list[dict[str, NDArray[Any]]]:
    """Network inputs of ``count`` made-up signals, a batch of one each, the same in every call.

    ``inputs`` are the network's names: the preparation's, and "mask" where it has one.
    """
    rng = np.random.default_rng(0)
    found: list[dict[str, NDArray[Any]]] = []
    while len(found) < count:
        row = preparation(preparation.example(rng))
        if row is not None:
            found.append(dict(zip(inputs, stack([row]), strict=False)))
    return found
