"""Rows by way of the evaluator: what ``mmer-evaluate`` does, from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mmer.benchmarks.accuracy.row import Setting
from mmer.benchmarks.harness.networks import folder_of
from mmer.training.evaluation.answers import Change
from mmer.training.evaluation.evaluate import evaluate
from mmer.training.evaluation.result import Evaluation
from mmer.training.evaluation.settings import Settings

KEPT: Final = (
    "n", "floor_accuracy", "accuracy", "weighted_f1", "macro_f1", "unweighted_recall", "ece",
    "interval", "resampled_by", "groups", "recall", "dropped", "twins", "warnings",
)  # fmt: skip
"""What the table keeps of an evaluation."""
_DIGITS: Final = 4

Measure = Callable[[Setting], Mapping[str, Any]]


def evaluated(
    modality: str,
    dataset: str,
    place: str,
    split: str,
    change: Change | None = None,
    **options: Any,
) -> Measure:
    """The measuring of a row: a dataset in ``place`` below the data folder, with the evaluator's
    ``options``; ``change`` is done to each input first."""

    def measure(setting: Setting) -> Mapping[str, Any]:
        weights = setting.weights if modality == "clip" else folder_of(setting.weights, modality)
        return figures_of(
            evaluate(
                modality,
                dataset,
                setting.data / place,
                split=split,
                weights=weights,
                settings=Settings(**options),
                change=change,
            )
        )

    return measure


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as the table keeps it: fractions of four digits."""
    whole = evaluation.for_json()
    kept: dict[str, Any] = rounded({key: whole[key] for key in KEPT})
    return kept


def rounded(value: Any) -> Any:
    """Every float of plain data, to four digits."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {str(key): rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value
