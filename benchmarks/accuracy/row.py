"""Row of the accuracy table: its measurement and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from mmer.benchmarks.report.report import rounded
from mmer.realtime.options import Options
from mmer.training.evaluation.answers import Change
from mmer.training.evaluation.evaluate import evaluate
from mmer.training.evaluation.settings import Settings
from mmer.training.evaluation.weights import folder_of

GROUPS: Final[Mapping[str, str]] = {
    "speech": "Voice",
    "face": "Face",
    "text": "Words",
    "fused": "Voice, words and face together",
}
"""Groups of ``--only``, with the table's headings."""

Kind = Literal["development", "in domain", "out of domain"]
"""Recipes were chosen by the data; its corpus was trained on (other items); neither."""

METRICS: Final[Mapping[str, str]] = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "unweighted_recall": "recall",
}
"""Keys of an evaluation in the order of the table's columns, with their headings."""
COLUMNS: Final = (
    "n", "floor_accuracy", "accuracy", "weighted_f1", "macro_f1", "unweighted_recall", "ece",
    "interval", "resampled_by", "groups", "recall", "dropped", "twins", "warnings",
)  # fmt: skip
"""Keys of an evaluation in the table; fractions are rounded to four digits."""


class NotHere(Exception):
    """A row cannot be measured on this machine; the text names what is missing."""


@dataclass(frozen=True)
class Setting:
    """Folders of data, networks and trainings with one corpus left out (``runs``).

    Raises MmerError for an unknown recognizer.
    """

    data: Path
    weights: Path | None
    asr: str = "moonshine"
    runs: Path = Path("runs")

    def __post_init__(self) -> None:
        Options(source="clip", asr=self.asr)  # refuses what the recognizer would


@dataclass(frozen=True)
class Row:
    """``measure`` returns an evaluation as a mapping with JSON's keys, or raises NotHere."""

    key: str
    group: str
    data: str
    condition: str
    kind: Kind
    headline: str  # the key of METRICS by which the task is evaluated
    measure: Callable[[Setting], Mapping[str, Any]]
    needs: tuple[str, ...] = ()  # below the data folder
    command: str = ""  # the single command that measures the same, for the card
    anchors: str = ""  # a key of ANCHORS
    in_readme: bool = False
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """A row's figures, or why there are none: skipped for want of data, or failed."""

    row: Row
    figures: Mapping[str, Any] | None = None
    skipped: str = ""
    failed: str = ""
    seconds: float = 0.0

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        if self.figures is None:
            return f"skipped: {self.skipped}" if self.skipped else f"FAILED: {self.failed}"
        value = 100 * self.figures[self.row.headline]
        return f"{METRICS[self.row.headline]} {value:.1f} ({self.seconds:.0f} s)"


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
        evaluation = evaluate(
            modality,
            dataset,
            setting.data / place,
            split=split,
            weights=weights,
            settings=Settings(**options),
            change=change,
        )
        whole = evaluation.for_json()
        figures: Mapping[str, Any] = rounded({key: whole[key] for key in COLUMNS})
        return figures

    return measure
