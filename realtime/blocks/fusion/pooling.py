"""Pooling: one opinion of several.

The pieces of one modality's evidence (the frames of a face) are no independent witnesses. They are
pooled by a weighted geometric mean whose weights sum to 1, the logarithmic opinion pool (Genest &
Zidek 1986, "Combining probability distributions: a critique and an annotated bibliography",
Statistical Science 1(1)): frames that agree give back what they agree on, however many they are.

The modalities are different witnesses of one feeling: a ``Pool`` makes one distribution of theirs.
The shipped one is learned (``mmer.models.fusion``); ``ProductPool`` is for encoders that no fusion
was trained for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mmer.models.fusion import MIN_INFORMATION, Opinion
from mmer.models.prediction import log_softmax

MIN_PROBABILITY: Final = 1e-4
"""No single opinion may rule a class out: lower probabilities count as this one."""


class Pool(Protocol):
    """Combination of the modalities' opinions."""

    def fuse(
        self, opinions: Mapping[str, Opinion]
    ) -> tuple[NDArray[np.float64], Mapping[str, float]]:
        """Fused log-probabilities (7,) and each opinion's share, sum 1, of at least one."""


def normalise(log_probs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-probabilities (..., 7) with a sum of probabilities of 1 and none below the floor."""
    x = log_softmax(np.asarray(log_probs))
    if x.min() >= np.log(MIN_PROBABILITY):
        return x
    x = np.maximum(x, np.log(MIN_PROBABILITY))
    normalised: NDArray[np.float64] = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return normalised


def information(log_probs: NDArray[np.float64]) -> float:
    """One minus the normalised entropy of (7,): 0 for a flat distribution, 1 for a sure one."""
    entropy = -float((np.exp(log_probs) * log_probs).sum())
    return max(0.0, 1.0 - entropy / float(np.log(len(log_probs))))


def log_pool(log_probs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pool (k, 7) normalised log-probabilities with weights (k,) >= 0 whose sum is above 0."""
    shares = weights / weights.sum()
    # a sum over rows, not a matrix product: the order of additions is the same on every run
    return log_softmax((shares[:, None] * log_probs).sum(axis=0))


def summarise(
    t: NDArray[np.float64],
    quality: NDArray[np.float64],
    log_probs: NDArray[np.float64],
    now: float | None,
    tau_s: float,
    embedding: NDArray[np.float32] | None = None,
) -> Opinion:
    """Pool one modality's evidence: times (k,), qualities (k,) above 0, log-probabilities (k, 7).

    Each piece weighs its quality, faded by exp(-age / ``tau_s``) at time ``now``; with ``now``
    None nothing fades and the whole is of no age. The quality of the whole is the mean: many
    frames do not make a modality weigh more than one good one. ``embedding`` is the newest's.
    """
    # the bound keeps very old evidence above zero, where it is all there is
    recency = np.ones_like(t) if now is None else np.exp(np.maximum((t - now) / tau_s, -50.0))
    weights = recency * quality
    mean_quality = float(weights.sum() / recency.sum())
    age_s = 0.0 if now is None else max(0.0, now - float(t.max()))
    return Opinion(log_pool(log_probs, weights), mean_quality, age_s, embedding)


@dataclass(frozen=True)
class ProductPool:
    """Multiplies the distributions, each to the power quality x exp(-age / ``tau_s``).

    A product of experts (Hinton 2002; naive Bayes with equal priors): a flat opinion changes
    nothing, two that agree are surer than one, and what is old or of poor quality fades to flat.
    It trusts a sure expert blindly. A modality's share is its power times its
    information.
    """

    tau_s: Mapping[str, float] = field(
        default_factory=lambda: {"speech": 3.0, "text": 3.0, "face": 1.0}
    )

    def fuse(
        self, opinions: Mapping[str, Opinion]
    ) -> tuple[NDArray[np.float64], Mapping[str, float]]:
        powers = np.array(
            [o.quality * np.exp(max(-50.0, -o.age_s / self.tau_s[m])) for m, o in opinions.items()]
        )
        logs = np.stack([o.log_probs for o in opinions.values()])
        # a sum over rows, not a matrix product: the order of additions is the same on every run
        fused = normalise((powers[:, None] * logs).sum(axis=0))
        pull = powers * [max(MIN_INFORMATION, information(row)) for row in logs]
        shares = pull / pull.sum()
        return fused, {m: float(share) for m, share in zip(opinions, shares, strict=True)}


class OnlyPool:
    """The answer of the only modality there is, as it is."""

    def fuse(
        self, opinions: Mapping[str, Opinion]
    ) -> tuple[NDArray[np.float64], Mapping[str, float]]:
        ((modality, opinion),) = opinions.items()
        return opinion.log_probs, {modality: 1.0}
