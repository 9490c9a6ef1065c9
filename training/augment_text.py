"""Random changes to training texts that leave the emotion as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmer.training.datasets.texts import bare
from mmer.training.recognition_errors import ErrorModel


@dataclass(frozen=True)
class TextChanges:
    """How far texts may be changed."""

    bare_probability: float = 0.5
    """How often a stretch of dialogue is taken bare, as speech recognizers write."""
    error_probability: float = 0.5
    """How often a bare stretch has recognition errors, too."""
    word_error_rate: tuple[float, float] = (0.05, 0.35)
    """From where to where the rate of those errors is drawn."""


def change_texts(
    texts: Sequence[str], errors: ErrorModel, rng: np.random.Generator, by: TextChanges
) -> list[str]:
    """A stretch of dialogue as it is, bare, or as a recognizer might have heard it."""
    if rng.random() >= by.bare_probability:
        return list(texts)
    if rng.random() >= by.error_probability:
        return [bare(text) for text in texts]
    rate = rng.uniform(*by.word_error_rate)
    return [errors.misrecognize(text, rate, rng) for text in texts]
