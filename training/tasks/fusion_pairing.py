"""Synthetic multimodal moments: held-out items of three corpora, paired by label and corrupted.

No corpus that may be trained on has speech, text and face of one moment. Pairing by label makes
the modalities independent given the emotion, which they are not quite. Corruption is simulated:
modalities that are absent, degraded, of another moment, or that do not show the emotion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.prediction import log_softmax
from mmer.training.tasks.fusion_outputs import PUNCTUATED, EncoderOutputs
from mmer.training.tasks.task import Arrays

NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True)
class Corruption:
    """Simulated corruption of moments; shares of 0 to 1, times in seconds.

    The names are those of the recipe's table ``life``.
    """

    spoilt: float = 0.5
    """Share of the items that are degraded: in one of their states at random."""
    masked: Mapping[str, float] = field(default_factory=dict)
    """Share of the moments in which a modality is neutral, whatever the label."""
    wrong: Mapping[str, float] = field(default_factory=dict)
    """Share in which it is of a random emotion."""
    aged: float = 0.5
    """Share of the evidence that has an age, 0 to ``oldest_s``."""
    oldest_s: float = 4.0
    talking: float = 0.0
    """Share in which the person of the face talks."""
    still: float = 0.0
    """Share of the talking faces that are neutral whatever the label, beside ``masked``."""
    baseline: float = 0.0
    """Share of the voices and faces whose person's baseline has begun, from 0 to all the way."""
    strange: float = 0.0
    """Share of the voices and faces of people who differ from everybody by an offset."""
    offset: float = 1.5
    """Deviation of a person's offset of each log-probability, before a baseline takes it off."""
    persistence_s: float = 5.0
    """Evidence of age a is of a random emotion with the probability 1 - exp(-a / persistence_s)."""

    def __post_init__(self) -> None:
        names = ("spoilt", "aged", "talking", "still", "baseline", "strange")
        shares = {name: getattr(self, name) for name in names}
        for name in ("masked", "wrong"):
            table = getattr(self, name)
            if not set(table) <= set(MODALITIES):
                raise MmerError(f"{name} is by modality, {', '.join(MODALITIES)}: {table}")
            shares |= {f"{name}.{m}": share for m, share in table.items()}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise MmerError(f"{name} must be 0..1, got {share}")
        if self.persistence_s <= 0 or self.oldest_s < 0 or self.offset < 0:
            raise MmerError("persistence_s must be above 0, oldest_s and offset not below it")


CLEAN = Corruption(spoilt=0, aged=0)
"""Every item as it is, without age, and of the label."""


class Moments(NamedTuple):
    """N moments, and the rows of the items in them."""

    inputs: Arrays  # as ``models.fusion.INPUTS`` and context, the batch first
    labels: NDArray[np.int64]  # shape (N,)
    rows: NDArray[np.int64]  # shape (N, 3)


class Pairing:
    """Draws moments from the outputs of each modality's encoder.

    Raises:
        MmerError: a modality has no item of some emotion.
    """

    def __init__(self, outputs: Mapping[str, EncoderOutputs]) -> None:
        self._outputs = [outputs[m] for m in MODALITIES]
        self._sorted = [np.argsort(p.labels, kind="stable") for p in self._outputs]
        self._counts = [np.bincount(p.labels, minlength=len(EMOTIONS)) for p in self._outputs]
        for modality, counts in zip(MODALITIES, self._counts, strict=True):
            if not counts.all():
                lacking = ", ".join(e for e, n in zip(EMOTIONS, counts, strict=True) if not n)
                raise MmerError(f"no held-out item of {modality} for {lacking}: nothing to pair")

    def draw(self, n: int, rng: np.random.Generator, corruption: Corruption = CLEAN) -> Moments:
        """``n`` moments, every emotion as often as any other, all modalities present."""
        labels = rng.permutation(np.arange(n) % len(EMOTIONS))
        parts = [self._draw_one(k, labels, rng, corruption) for k in range(len(MODALITIES))]
        log_probs, quality, age_s, context, rows = (
            np.stack(p, axis=1) for p in zip(*parts, strict=True)
        )
        inputs = {
            "log_probs": log_probs.astype(np.float32),
            "quality": quality.astype(np.float32),
            "age_s": age_s.astype(np.float32),
            "present": (quality > 0).astype(np.float32),
            "context": context.astype(np.float32),
        }
        return Moments(inputs, labels, rows)

    def _draw_one(
        self, k: int, labels: NDArray[np.int64], rng: np.random.Generator, c: Corruption
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64]]:
        n, modality, outputs = len(labels), MODALITIES[k], self._outputs[k]
        talking = np.zeros(n, np.bool_)
        masked = np.full(n, c.masked.get(modality, 0.0))
        if modality == "face":
            talking = rng.random(n) < c.talking
            masked = np.maximum(masked, c.still * talking)
        shown = np.where(rng.random(n) < masked, NEUTRAL, labels)
        age_s = np.where(rng.random(n) < c.aged, rng.uniform(0, c.oldest_s, n), 0.0)
        other = rng.random(n) < c.wrong.get(modality, 0.0)
        other |= rng.random(n) >= np.exp(-age_s / c.persistence_s)
        shown = np.where(other, rng.integers(0, len(EMOTIONS), n), shown)
        counts = self._counts[k]
        first = np.cumsum(counts) - counts
        rows = self._sorted[k][first[shown] + (rng.random(n) * counts[shown]).astype(np.int64)]
        states = rng.integers(0, len(outputs.states), n) * (rng.random(n) < c.spoilt)
        log_probs, quality = outputs.log_probs[rows, states], outputs.quality[rows, states]
        punctuated = np.array([name in PUNCTUATED for name in outputs.states])[states]
        baseline = np.zeros(n)
        if modality != "text":
            baseline = rng.random(n) * (rng.random(n) < c.baseline)
            left = c.offset * (1 - baseline) * (rng.random(n) < c.strange)
            log_probs = log_softmax(log_probs + left[:, None] * rng.standard_normal((n, 7)))
        context = np.stack([punctuated & (modality == "text"), talking, baseline], axis=1)
        return log_probs, quality, age_s, context, rows


def keep_only(inputs: Arrays, modalities: Sequence[str]) -> Arrays:
    """The same moments with the other modalities absent."""
    present = np.array([m in modalities for m in MODALITIES], np.float32)
    return {**inputs, "present": inputs["present"] * present}


def drop_some(inputs: Arrays, rng: np.random.Generator, modalities: Sequence[str]) -> Arrays:
    """The same moments with a random non-empty choice of ``modalities``, all equally likely.

    Where all of the choice are absent already, all of ``modalities`` stay as they are.
    """
    n = len(inputs["present"])
    among = np.array([m in modalities for m in MODALITIES])
    bits = 1 << np.arange(among.sum())
    present = np.zeros((n, len(MODALITIES)), np.float32)
    present[:, among] = (rng.integers(1, 1 << len(bits), n)[:, None] & bits) > 0
    present *= inputs["present"]
    none_left = ~present.any(axis=1)
    present[none_left] = inputs["present"][none_left] * among
    return {**inputs, "present": present}
