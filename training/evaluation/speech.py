"""Evaluation of the speech model on whole recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.models.encoder import SpeechModel
from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import decode, trim
from mmer.training.evaluation.answers import Answer, Change, pooled


class SpeechAnswerer:
    """Decoded to 16 kHz mono, silence cut off both ends (see ``trim``), as in training.

    A recording longer than the card's max_s is covered evenly by windows of that length; the answer
    is the mean of their log-probabilities, weighted by ``usable``.
    """

    def __init__(self, weights: Path, provider: str = "auto", change: Change | None = None) -> None:
        self.notices: list[str] = []
        self._model = SpeechModel.load(weights, provider)
        self._longest = round(self._model.max_s * SAMPLE_RATE)
        self._change = change

    def answer(self, item: Item) -> Answer:
        if item.path is None:
            raise MmerError(f"{item.key} has no recording")
        samples = decode(item.path, item.start_s, item.end_s)
        if not len(samples):
            raise MmerError(f"{item.path} has no sound" + _between(item))
        samples = trim(samples)
        if self._change is not None:
            samples = self._change(samples)
        found = [self._model.predict(window) for window in windows(samples, self._longest)]
        usable = [p for p in found if p.embedding is not None]
        if len(found) == 1 or not usable:
            return Answer.of(found[0])
        return Answer(pooled([p.log_probs for p in usable], [p.usable for p in usable]))

    def about(self) -> dict[str, Any]:
        return {}


def windows(samples: NDArray[np.int16], longest: int) -> list[NDArray[np.int16]]:
    """The fewest windows of length ``longest`` that cover int16 (n,), evenly spread."""
    n = max(1, -(-len(samples) // longest))
    starts = np.linspace(0, max(0, len(samples) - longest), n).round().astype(int)
    return [samples[start : start + longest] for start in starts]


def _between(item: Item) -> str:
    if item.start_s is None and item.end_s is None:
        return ""
    end = "its end" if item.end_s is None else f"{item.end_s:g} s"
    return f" from {item.start_s or 0:g} s to {end}"
