"""Result of an evaluation: figures, intervals, confusion matrix and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS
from mmer.training.metrics.bootstrap import Groups, intervals
from mmer.training.metrics.figures import Figures, class_recall, confusion, figures
from mmer.training.metrics.predictions import Predictions


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of the likeliest answers over ``n`` items.

    ``figures`` are fractions; means over classes take the classes that occur among the labels, as
    scikit-learn's with ``labels=`` those. ``interval`` is 95 %, by drawing ``groups``.
    ``confusion`` has a row a true class, (7, 7). ``dropped`` counts what was left out, by reason;
    ``about`` has the provenance (dataset, weights, options, twins ...), fit for JSON.
    ``log_probs`` (N, 7), ``labels`` (N,) and ``ids`` are the answers themselves.
    """

    figures: Figures
    interval: Mapping[str, tuple[float, float]]
    groups: Groups
    confusion: NDArray[np.int64]
    dropped: Mapping[str, int]
    about: Mapping[str, Any]
    warnings: tuple[str, ...]
    log_probs: NDArray[np.float64]
    labels: NDArray[np.int64]
    ids: tuple[str, ...] = field(default=())

    @property
    def recall(self) -> dict[str, float | None]:
        """The share found of each emotion; None where it does not occur."""
        found = class_recall(self.confusion)
        return {name: found.get(name) for name in EMOTIONS}

    def for_json(self) -> dict[str, Any]:
        """All but the predictions."""
        return {
            **asdict(self.figures),
            "interval": {name: list(edges) for name, edges in self.interval.items()},
            "resampled_by": self.groups.by,
            "groups": self.groups.n,
            "labels": list(EMOTIONS),
            "confusion": self.confusion.tolist(),
            "recall": self.recall,
            "dropped": dict(self.dropped),
            **self.about,
            "warnings": list(self.warnings),
        }

    def predictions(self) -> Predictions:
        """The predictions, for a file.

        Raises:
            MmerError: two items have the same id.
        """
        weights = ", ".join(f"{k} {sha[:12]}" for k, sha in self.about.get("weights", {}).items())
        return Predictions(
            ids=np.array(self.ids, np.str_),
            groups=np.array(self.groups.names, np.str_),
            labels=self.labels,
            log_probs=self.log_probs,
            fold=np.full(len(self.labels), -1),
            what=f"{self.about.get('dataset')} {self.about.get('split')}, weights {weights}",
        )


def evaluation_of(
    log_probs: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: Groups,
    *,
    dropped: Mapping[str, int] | None = None,
    about: Mapping[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
    ids: tuple[str, ...] = (),
    resamples: int = 2000,
    seed: int = 0,
) -> Evaluation:
    """Figures of answers (N, 7) against class indices (N,), N at least 1."""
    return Evaluation(
        figures=figures(log_probs, labels),
        interval=intervals(log_probs, labels, groups.of, resamples, seed),
        groups=groups,
        confusion=confusion(labels, log_probs.argmax(axis=1)),
        dropped=dict(dropped or {}),
        about=dict(about or {}),
        warnings=warnings,
        log_probs=log_probs,
        labels=labels,
        ids=ids,
    )
