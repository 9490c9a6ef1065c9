"""Classification figures over the seven emotions, and temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmer.models.labels import EMOTIONS
from mmer.models.prediction import log_softmax as log_softmax

ECE_BINS = 15
"""Equal-width bins of confidence of every calibration error, and of its plot."""


@dataclass(frozen=True)
class Figures:
    """Figures of predictions against labels, 0 to 1.

    ``floor_accuracy`` is that of always predicting the commonest class. Means over classes are of
    the classes that occur among the labels.
    """

    n: int
    floor_accuracy: float
    accuracy: float
    weighted_f1: float
    macro_f1: float
    unweighted_recall: float
    ece: float


def confusion(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts, shape (7, 7): row the true class, column the predicted one."""
    table = np.zeros((len(EMOTIONS), len(EMOTIONS)), dtype=np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def class_recall(table: np.ndarray) -> dict[str, float]:
    """Recall of each emotion that occurs, from a ``confusion``."""
    support = table.sum(axis=1)
    return {name: float(table[k, k] / support[k]) for k, name in enumerate(EMOTIONS) if support[k]}


def expected_calibration_error(
    log_probs: np.ndarray, labels: np.ndarray, bins: int = ECE_BINS
) -> float:
    """Mean gap of confidence and accuracy over equal-width bins (Guo et al. 2017), 0..1."""
    probs = np.exp(log_probs)
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        (index == b).mean() * abs(right[index == b].mean() - confidence[index == b].mean())
        for b in range(bins)
        if (index == b).any()
    ]
    return float(sum(gaps))


def figures(log_probs: np.ndarray, labels: np.ndarray) -> Figures:
    """Figures of log-probabilities (N, 7) against class indices (N,)."""
    table = confusion(labels, log_probs.argmax(axis=1))
    support = table.sum(axis=1)
    hits = np.diag(table)
    occurs = support > 0
    recall = hits[occurs] / support[occurs]
    f1 = 2 * hits[occurs] / (support[occurs] + table.sum(axis=0)[occurs])
    n = int(support.sum())
    return Figures(
        n=n,
        floor_accuracy=float(support.max() / n),
        accuracy=float(hits.sum() / n),
        weighted_f1=float((f1 * support[occurs]).sum() / n),
        macro_f1=float(f1.mean()),
        unweighted_recall=float(recall.mean()),
        ece=expected_calibration_error(log_probs, labels),
    )


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimises the negative log-likelihood (Guo et al. 2017), 0.2..10.

    Golden-section search over its logarithm: the likelihood has one optimum.
    """

    def loss(log_t: float) -> float:
        scaled = log_softmax(logits / np.exp(log_t))
        return float(-scaled[np.arange(len(labels)), labels].mean())

    low, high = np.log(0.2), np.log(10.0)
    golden = (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        a, b = high - golden * (high - low), low + golden * (high - low)
        if loss(a) < loss(b):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))
