"""What a model says of one item, and who asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.models.prediction import Prediction
from mmer.training.datasets.item import Item

Change: TypeAlias = Callable[[Any], Any]
"""What is done to an input before it is judged: int16 (n,) of sound, a picture, a text."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Log-probabilities (7,); ``parts``: what each modality of a clip said, where it said a thing.

    ``usable`` False: there was nothing to judge, and the answer is the uniform one.
    """

    log_probs: NDArray[np.floating]
    usable: bool = True
    parts: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)

    @classmethod
    def of(cls, prediction: Prediction) -> Answer:
        """A network's."""
        return cls(prediction.log_probs, prediction.embedding is not None)


class Answerer(Protocol):
    """One model, or all of them, opened to judge items."""

    notices: list[str]
    """What a user should know of how it is done."""

    def answer(self, item: Item) -> Answer:
        """Judge one item.

        Raises:
            MmerError: it cannot be read.
        """
        ...

    def about(self) -> dict[str, Any]:
        """How items were judged so far, fit for JSON: counts, and what was used."""
        ...


def pooled(log_probs: list[NDArray[np.floating]], weights: list[float]) -> NDArray[np.float64]:
    """The weighted geometric mean of distributions, normalised; weights of 0 count alike."""
    w = np.asarray(weights, np.float64)
    w = w if w.sum() > 0 else np.ones_like(w)
    mean = (w[:, None] * np.asarray(log_probs, np.float64)).sum(axis=0) / w.sum()
    mean -= mean.max()
    return np.asarray(mean - np.log(np.exp(mean).sum()))
