"""Random changes to training inputs that leave the emotion as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TextChanges:
    """How far a text may be changed."""

    bare_probability: float = 0.5
    """How often a text is taken without its punctuation, as speech recognizers write."""
    unknown: float = 0.1
    """Share of its tokens that become unknown: misheard words, words of other people."""


def change_text(
    tokens: np.ndarray,
    bare_tokens: np.ndarray,
    unknown: int,
    rng: np.random.Generator,
    by: TextChanges,
) -> np.ndarray:
    """One of two spellings of a text, int64 (T,), some tokens replaced by ``unknown``."""
    chosen = bare_tokens if rng.random() < by.bare_probability else tokens
    return np.where(rng.random(len(chosen)) < by.unknown, unknown, chosen)
