"""Calibration: cross-fitted temperature, calibration error, coverage and abstention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmer.models.cards.card import Coverage
from mmer.training.metrics.figures import expected_calibration_error, fit_temperature, log_softmax

THRESHOLDS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
WORTH_GIVING = 1 / 3
_DRAWS = 200
ABSTENTION = (
    "The threshold is the highest of the curve below which answers are right at most one time in "
    "three: a wrong answer is taken to harm half as much as a right one helps, so that answers "
    "less often right than that do more harm than good. The curve is of the development data in "
    "all its states together, its confidence cross-fitted."
)


def halves(groups: Sequence[str]) -> np.ndarray:
    """Two halves of the items, bool (N,): no group in both, about as many items in each.

    The same at each call. Where there is one group alone, the items themselves are dealt out.
    """
    names = list(groups)
    if len(set(names)) < 2:
        names = [str(k) for k in range(len(groups))]
    kinds, members, counts = np.unique(names, return_inverse=True, return_counts=True)
    # large groups first, equal ones in a random order, each to the half that has less
    shuffled = np.random.default_rng(0).permutation(len(kinds))
    first = np.zeros(len(kinds), dtype=bool)
    balance = 0
    for kind in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        first[kind] = balance <= 0
        balance += counts[kind] if first[kind] else -counts[kind]
    return np.asarray(first[members])


def cross_fitted(
    states: Sequence[np.ndarray], labels: np.ndarray, groups: Sequence[str], fitted: int
) -> list[np.ndarray]:
    """Log-probabilities of each state's logits (N, 7), by a temperature of the other half.

    ``states`` are the same items, in one order, in several conditions; the temperature of a half
    is fitted to the first ``fitted`` states of its items.
    """
    first = halves(groups)
    scaled = [np.empty_like(log_softmax(logits)) for logits in states]
    for half in (first, ~first):
        other = ~half
        temperature = fit_temperature(
            np.concatenate([logits[other] for logits in states[:fitted]]),
            np.tile(labels[other], fitted),
        )
        for out, logits in zip(scaled, states, strict=True):
            out[half] = log_softmax(logits[half] / temperature)
    return scaled


def calibration_error_by_chance(log_probs: np.ndarray) -> float:
    """Mean error of perfectly calibrated predictions with these confidences: 0..1.

    A finite sample never matches in every bin; an error near this one is none.
    """
    rng = np.random.default_rng(0)
    probs = np.exp(log_probs)
    errors = []
    for _ in range(_DRAWS):
        drawn = (probs.cumsum(axis=1) > rng.random((len(probs), 1))).argmax(axis=1)
        errors.append(expected_calibration_error(log_probs, drawn))
    return float(np.mean(errors))


def coverage_curve(log_probs: np.ndarray, labels: np.ndarray) -> tuple[Coverage, ...]:
    """Share answered and accuracy at each of ``THRESHOLDS``; log-probabilities (N, 7)."""
    confidence = np.exp(log_probs.max(axis=1))
    right = log_probs.argmax(axis=1) == labels
    curve = []
    for threshold in THRESHOLDS:
        answered = confidence >= threshold
        curve.append(
            Coverage(
                threshold,
                round(float(answered.mean()), 4),
                round(float(right[answered].mean()), 4) if answered.any() else None,
                round(float(right[~answered].mean()), 4) if not answered.all() else None,
            )
        )
    return tuple(curve)


def choose_threshold(curve: Sequence[Coverage]) -> float:
    """Abstention threshold: the confidence below which there is no label; see ``ABSTENTION``."""
    return max(
        point.threshold
        for point in curve
        if point.withheld_accuracy is None or point.withheld_accuracy <= WORTH_GIVING
    )
