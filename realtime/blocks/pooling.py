"""How several opinions become one: discounted, weighted, multiplied.

The pieces of one modality's evidence (the frames of a face) are no independent witnesses. They are
pooled by a weighted geometric mean whose weights sum to 1, the logarithmic opinion pool (Genest &
Zidek 1986, "Combining probability distributions: a critique and an annotated bibliography",
Statistical Science 1(1)): frames that agree give back what they agree on, however many they are.

The modalities are different witnesses of one feeling. Their distributions are multiplied, each to
the power of its weight (a product of experts, Hinton 2002; naive Bayes with equal priors): a flat
opinion changes nothing, two that agree are surer than one, and what is old or of poor quality fades
to flat. A product trusts a sure expert blindly, and a network is sure and wrong away from the data
that it was calibrated on; so each opinion is first discounted by how far its source is to be
believed (Shafer 1976, "A Mathematical Theory of Evidence"): r p + (1 - r) uniform. That bounds what
any one of them can say, and with that the confidence of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_PROBABILITY: Final = 1e-4
"""No single opinion may rule a class out: lower probabilities count as this one."""

MIN_INFORMATION: Final = 0.01
"""The share of a flat opinion is counted as if it said this much, so that shares always exist."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one modality says in all."""

    log_probs: NDArray[np.float64]  # shape (7,), normalised
    trust: float  # above 0: quality faded by age
    t: float  # capture time of its newest evidence


def normalise(log_probs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-probabilities (..., 7) with a sum of probabilities of 1 and none below the floor."""
    x = np.asarray(log_probs, dtype=np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    if x.min() >= np.log(MIN_PROBABILITY):
        return np.asarray(x, dtype=np.float64)
    x = np.maximum(x, np.log(MIN_PROBABILITY))
    normalised: NDArray[np.float64] = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return normalised


def information(log_probs: NDArray[np.float64]) -> float:
    """One minus the normalised entropy of (7,): 0 for a flat distribution, 1 for a sure one."""
    entropy = -float((np.exp(log_probs) * log_probs).sum())
    return max(0.0, 1.0 - entropy / float(np.log(len(log_probs))))


def discounted(log_probs: NDArray[np.float64], reliability: float) -> NDArray[np.float64]:
    """(7,) log-probabilities of which the share ``reliability`` is believed, the rest uniform."""
    believed = reliability * np.exp(log_probs) + (1.0 - reliability) / len(log_probs)
    logs: NDArray[np.float64] = np.log(believed)
    return logs


def log_pool(log_probs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pool (k, 7) normalised log-probabilities with weights (k,) >= 0 whose sum is above 0."""
    shares = weights / weights.sum()
    # a sum over rows, not a matrix product: the order of additions is the same on every run
    pooled = (shares[:, None] * log_probs).sum(axis=0)
    pooled -= pooled.max()
    normalised: NDArray[np.float64] = pooled - np.log(np.exp(pooled).sum())
    return normalised


def summarise(
    t: NDArray[np.float64],
    quality: NDArray[np.float64],
    log_probs: NDArray[np.float64],
    now: float | None,
    tau_s: float,
) -> Opinion:
    """Pool one modality's evidence: times (k,), qualities (k,) above 0, log-probabilities (k, 7).

    Each piece weighs its quality, faded by exp(-age / ``tau_s``) at time ``now``; with ``now``
    None nothing fades. The trust in the whole is the mean quality, faded as the newest piece is:
    many frames do not make a modality weigh more than one good one.
    """
    # the bound keeps very old evidence above zero, where it is all there is
    recency = np.ones_like(t) if now is None else np.exp(np.maximum((t - now) / tau_s, -50.0))
    weights = recency * quality
    trust = float(weights.sum() / recency.sum() * recency.max())
    return Opinion(log_pool(log_probs, weights), trust, float(t.max()))


def fuse(
    opinions: Sequence[Opinion], bases: Sequence[float], reliabilities: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multiply the modalities: fused log-probabilities (7,) and each one's share (k,), sum 1.

    Each opinion is discounted by its reliability (0..1) and raised to the power base x trust. Its
    share in the answer is that power times the information of what was believed of it.
    """
    believed = np.stack(
        [
            discounted(opinion.log_probs, reliability)
            for opinion, reliability in zip(opinions, reliabilities, strict=True)
        ]
    )
    powers = np.array([base * opinion.trust for opinion, base in zip(opinions, bases, strict=True)])
    # a sum over rows, not a matrix product: the order of additions is the same on every run
    fused = normalise((powers[:, None] * believed).sum(axis=0))
    pull = powers * [max(MIN_INFORMATION, information(logs)) for logs in believed]
    return fused, pull / pull.sum()
