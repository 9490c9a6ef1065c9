"""Moments that nobody recorded: a voice, words and a face of one emotion, from three corpora.

There is no corpus that may be trained on with all three, so held-out items are paired by label.
That makes the modalities independent given the emotion, which in life they are not quite. What
life adds is put in by hand: modalities that are absent, spoilt, of another moment, or that do not
show what is felt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.training.tasks.fusion_outputs import Posteriors
from mmer.training.tasks.task import Arrays

NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True)
class Life:
    """How moments differ from three clean items of one emotion; all between 0 and 1 but times."""

    spoilt: float = 0.5
    """Share of the items that are in one of their states at random, not as they are."""
    masked: Mapping[str, float] = field(default_factory=dict)
    """Share of the moments in which a modality is neutral whatever is felt."""
    wrong: Mapping[str, float] = field(default_factory=dict)
    """Share in which it shows an emotion at random."""
    aged: float = 0.5
    """Share of the evidence that has an age, 0 to ``oldest_s``."""
    oldest_s: float = 4.0
    persistence_s: float = 5.0
    """Evidence of age a is of another emotion, any, with the probability 1 - exp(-a / this)."""

    def __post_init__(self) -> None:
        shares = {"spoilt": self.spoilt, "aged": self.aged}
        for name in ("masked", "wrong"):
            table = getattr(self, name)
            if not set(table) <= set(MODALITIES):
                raise MmerError(f"{name} is by modality, {', '.join(MODALITIES)}: {table}")
            shares |= {f"{name}.{m}": share for m, share in table.items()}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise MmerError(f"{name} must be 0..1, got {share}")
        if self.persistence_s <= 0 or self.oldest_s < 0:
            raise MmerError("persistence_s must be above 0 and oldest_s not below it")


CLEAN = Life(spoilt=0, aged=0)
"""Every item as it is, of now, and of the emotion that is felt."""


class Moments(NamedTuple):
    """N moments with the rows of the items that they were made of."""

    inputs: Arrays  # as ``models.fusion.INPUTS``, the batch first
    labels: NDArray[np.int64]  # shape (N,)
    rows: NDArray[np.int64]  # shape (N, 3)


class Pairing:
    """Draws moments from each modality's posteriors.

    Raises:
        MmerError: a modality has no item of some emotion.
    """

    def __init__(self, posteriors: Mapping[str, Posteriors]) -> None:
        self._posteriors = [posteriors[m] for m in MODALITIES]
        self._sorted = [np.argsort(p.labels, kind="stable") for p in self._posteriors]
        self._counts = [np.bincount(p.labels, minlength=len(EMOTIONS)) for p in self._posteriors]
        for modality, counts in zip(MODALITIES, self._counts, strict=True):
            if not counts.all():
                lacking = ", ".join(e for e, n in zip(EMOTIONS, counts, strict=True) if not n)
                raise MmerError(f"no held-out item of {modality} for {lacking}: nothing to pair")

    def draw(self, n: int, rng: np.random.Generator, life: Life = CLEAN) -> Moments:
        """``n`` moments, every emotion as often as any other, all modalities present."""
        labels = rng.permutation(np.arange(n) % len(EMOTIONS))
        parts = [self._draw_one(k, labels, rng, life) for k in range(len(MODALITIES))]
        log_probs, quality, age_s, rows = (np.stack(p, axis=1) for p in zip(*parts, strict=True))
        inputs = {
            "log_probs": log_probs.astype(np.float32),
            "quality": quality.astype(np.float32),
            "age_s": age_s.astype(np.float32),
            "present": (quality > 0).astype(np.float32),
        }
        return Moments(inputs, labels, rows)

    def _draw_one(
        self, k: int, labels: NDArray[np.int64], rng: np.random.Generator, life: Life
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
        n, modality, posteriors = len(labels), MODALITIES[k], self._posteriors[k]
        shown = np.where(rng.random(n) < life.masked.get(modality, 0.0), NEUTRAL, labels)
        age_s = np.where(rng.random(n) < life.aged, rng.uniform(0, life.oldest_s, n), 0.0)
        other = rng.random(n) < life.wrong.get(modality, 0.0)
        other |= rng.random(n) >= np.exp(-age_s / life.persistence_s)
        shown = np.where(other, rng.integers(0, len(EMOTIONS), n), shown)
        counts = self._counts[k]
        first = np.cumsum(counts) - counts
        rows = self._sorted[k][first[shown] + (rng.random(n) * counts[shown]).astype(np.int64)]
        states = rng.integers(0, len(posteriors.states), n) * (rng.random(n) < life.spoilt)
        return posteriors.log_probs[rows, states], posteriors.quality[rows, states], age_s, rows


def keep_only(inputs: Arrays, modalities: Sequence[str]) -> Arrays:
    """The same moments with the other modalities absent."""
    kept = np.array([m in modalities for m in MODALITIES], np.float32)
    return {**inputs, "present": inputs["present"] * kept}


def drop_some(inputs: Arrays, rng: np.random.Generator, modalities: Sequence[str]) -> Arrays:
    """The same moments with a random choice of ``modalities`` left, each non-empty one as likely.

    Where all that was chosen is absent already, all of ``modalities`` are left as they are.
    """
    n = len(inputs["present"])
    among = np.array([m in modalities for m in MODALITIES])
    bits = 1 << np.arange(among.sum())
    kept = np.zeros((n, len(MODALITIES)), np.float32)
    kept[:, among] = (rng.integers(1, 1 << len(bits), n)[:, None] & bits) > 0
    kept *= inputs["present"]
    none_left = ~kept.any(axis=1)
    kept[none_left] = inputs["present"][none_left] * among
    return {**inputs, "present": kept}
