"""How several opinions become one: the logarithmic opinion pool, weighted and normalised.

The fused distribution is proportional to the product of p_i ** w_i with weights that sum to 1
(Genest & Zidek 1986, "Combining probability distributions: a critique and an annotated
bibliography", Statistical Science 1(1)). With every weight 1 it would be a product of experts
(Hinton 2002), which is right for independent opinions alone: voice, words and face of one person
are not independent, nor are two frames of one face, and their product is over-confident. Because
the weights sum to 1, opinions that agree give back what they agree on, a class is never less
likely than its weighted geometric mean, and adding a weak modality cannot inflate the confidence.

A flat opinion in such a pool would still flatten the answer. So an opinion also weighs by how much
it says: one minus its normalised entropy, after the inverse-entropy weighting of Misra, Bourlard
and Tyagi (2003, "New entropy based combination rules in HMM/ANN multi-stream ASR", ICASSP).

That favours an opinion that is sure and wrong, as a network can be away from the data that it was
calibrated on. So each opinion is first discounted by how far its source is to be believed (Shafer
1976, "A Mathematical Theory of Evidence", discounting): r p + (1 - r) uniform.
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
"""A flat opinion still counts this much, so that alone it is heard."""


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
    """(7,) log-probabilities of which the share ``reliability`` is believed, the rest is uniform."""
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
    """Pool the modalities: fused log-probabilities (7,) and each one's share (k,), sum 1.

    Each is discounted by its reliability (0..1) and weighs base x trust x information.
    """
    logs = [
        discounted(opinion.log_probs, reliability)
        for opinion, reliability in zip(opinions, reliabilities, strict=True)
    ]
    weights = np.array(
        [
            base * opinion.trust * max(MIN_INFORMATION, information(log_probs))
            for opinion, base, log_probs in zip(opinions, bases, logs, strict=True)
        ]
    )
    return log_pool(np.stack(logs), weights), weights / weights.sum()
