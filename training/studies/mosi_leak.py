"""Have features seen the labels that judge them? Asked of linear models, without test labels."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmer.models.labels import EMOTIONS
from mmer.training.evaluation.bootstrap import intervals
from mmer.training.studies.mosi_features import ARRAYS, Features

PENALTY: Final = 0.01
"""scikit-learn's C, of all linear models here."""
Interval = tuple[float, float]


def padded(log_probs: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 2) as what the bootstrap of emotions takes, (N, 7): the other classes never happen."""
    n, classes = log_probs.shape
    return np.hstack([log_probs, np.full((n, len(EMOTIONS) - classes), -np.inf)])


def with_interval(right: NDArray[np.bool_], videos: NDArray[np.int64]) -> tuple[float, Interval]:
    """A share, and its 95 % interval over videos."""
    said = np.log(np.stack([right, ~right], axis=1) + 1e-12)
    groups = np.unique(videos, return_inverse=True)[1]
    found = intervals(padded(said), np.zeros(len(right), np.int64), groups)
    return float(right.mean()), found["accuracy"]


def leak(train: Features, test: Features) -> dict[str, Any]:
    """What linear models say of videos they were not fitted to: training videos and test videos.

    Each half of the training videos is judged by a model of the other half (``halves``); the
    test videos by a model of all of them. Whoever disagrees of two, exactly one is right, as there
    are two classes: so the accuracies of two that agree on a share a of the utterances have a mean
    of at most (1 + a) / 2, and that needs no label (``at_most``).
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=1000))
    held: dict[str, NDArray[np.float64]] = {}
    new: dict[str, NDArray[np.float64]] = {}
    single: dict[str, dict[str, Any]] = {}
    for m in ARRAYS:
        vectors = train.vectors[m]
        held[m] = cross_val_predict(
            model,
            vectors,
            train.labels,
            groups=train.videos,
            cv=GroupKFold(2),
            method="predict_proba",
        )
        new[m] = model.fit(vectors, train.labels).predict_proba(test.vectors[m])
        right, interval = with_interval(held[m].argmax(axis=1) == train.labels, train.videos)
        single[m] = {
            "halves": right,
            "interval": interval,
            "confidence_train": float(held[m].max(axis=1).mean()),
            "confidence_test": float(new[m].max(axis=1).mean()),
        }
    pairs = {}
    for one, other in combinations(ARRAYS, 2):
        agree, interval = with_interval(
            held[one].argmax(axis=1) == held[other].argmax(axis=1), train.videos
        )
        agree_test, interval_test = with_interval(
            new[one].argmax(axis=1) == new[other].argmax(axis=1), test.videos
        )
        pairs[f"{one}+{other}"] = {
            "agree_train": agree,
            "interval_train": interval,
            "agree_test": agree_test,
            "interval_test": interval_test,
            "mean_accuracy_train": (single[one]["halves"] + single[other]["halves"]) / 2,
            "at_most_test": (1 + agree_test) / 2,
        }
    return {"single": single, "pairs": pairs}
