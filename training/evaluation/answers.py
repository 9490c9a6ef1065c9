"""Answers: a model's prediction of one item, and the protocol of models under evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.training.datasets.item import Item
from mmer.training.metrics.figures import log_softmax

Change: TypeAlias = Callable[[Any], Any]
"""A change to an input before prediction: int16 (n,) of sound, an image, a text."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Log-probabilities (7,); ``parts``: those of each modality of a clip that has evidence.

    ``usable`` False: there was no evidence, and the answer is uniform.
    """

    log_probs: NDArray[np.floating]
    usable: bool = True
    parts: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)

    @classmethod
    def of(cls, prediction: Prediction) -> Answer:
        """The answer of one network."""
        return cls(prediction.log_probs, prediction.embedding is not None)


class Answerer(Protocol):
    """One model, or the whole recognizer, opened for evaluation."""

    notices: list[str]
    """Warnings for the user."""

    def answer(self, item: Item) -> Answer:
        """Predict one item.

        Raises:
            MmerError: it cannot be read.
        """

    def about(self) -> dict[str, Any]:
        """Counts so far and the parts used, fit for JSON."""


def answers_of(answerer: Answerer, items: Sequence[Item]) -> Iterator[Answer | MmerError]:
    """An answer an item, or what was wrong with it."""
    for item in items:
        try:
            yield answerer.answer(item)
        except MmerError as problem:
            yield problem


def pooled(log_probs: list[NDArray[np.floating]], weights: list[float]) -> NDArray[np.float64]:
    """The weighted geometric mean of distributions, normalised; unweighted where all are 0."""
    w = np.asarray(weights, np.float64)
    w = w if w.sum() > 0 else np.ones_like(w)
    mean = (w[:, None] * np.asarray(log_probs, np.float64)).sum(axis=0) / w.sum()
    return log_softmax(mean)
