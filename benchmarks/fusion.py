"""`mmer-bench fusion`: whether the fused answer is ever worse than the best modality alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.fusion_states import NAMES, Items, Moments, sets
from mmer.benchmarks.harness.command import Asr, Folder, OptionalFolder, Outputs, Say
from mmer.benchmarks.harness.networks import shipped
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.tables import Table
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.training.metrics.bootstrap import resampled

MOST_BELOW: Final = 1.0
"""Points of recall that the worst cell may lie below the best modality alone."""
RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Cell:
    """Recall in percent of the fused answer and of the best modality in it; their difference.

    ``low`` and ``high``: 95 % bootstrap interval of the difference in points. Items are drawn, not
    moments: those of the present modality that has the fewest, each in many paired moments.
    """

    data: str
    state: str
    present: tuple[str, ...]
    fused: float
    best: float
    which: str
    low: float
    high: float

    @property
    def points(self) -> float:
        """Points that the fused answer lies above the best modality alone."""
        return self.fused - self.best


@dataclass(frozen=True, kw_only=True)
class Fusion(Outputs):
    """Whether adding a modality ever makes the answer worse than the best one alone.

    Every choice of two and three modalities, as they are and each corrupted in turn: the voice in
    white noise, the face in dim light and in darkness, words misrecognized or of another sentence.
    On the clips of one actor, who says the same two sentences in every emotion, so that words can
    only mislead, and on moments paired by label from held-out items. The best modality is the one
    with the highest recall there, of its encoder's label or of the fusion's with that modality
    alone, whichever is better.
    """

    data: Folder
    """Folder of the corpora: video; for paired moments audio/ravdess, audio/esc10, text, face."""
    asr: Asr = "moonshine"
    """Speech recognizer for the clips."""
    cache: OptionalFolder = None
    """Folder for the encoders' outputs of the paired moments."""

    def run(self, say: Say) -> Report:
        fusion = FusionModel.load()
        cells: list[Cell] = []
        for drawn in sets(self.data, self.asr, self.cache, say):
            cells += measured(fusion, *drawn)
        if not cells:
            raise MmerError(f"--data {self.data} has neither video nor the corpora of the fusion")
        worst = min(cells, key=lambda cell: cell.points)
        row = Row(
            "worst",
            f"worst cell ({worst.data}, {worst.state}, {_names(worst.present)})",
            f"{worst.points:+.1f} ({worst.low:+.1f} to {worst.high:+.1f})",
            f"at least {-MOST_BELOW:+g}",
            worst.points >= -MOST_BELOW,
            values={"points": worst.points},
            better="more",
        )
        return Report(
            kind="fusion",
            title="mmer-bench fusion: recall of the fused answer against the best modality alone",
            settings=self.settings(cache=None),
            clip={"cells": len(cells)},
            models=shipped(),
            rows=[row, *map(_row, cells)],
            tables=[_table(cells)],
        )


def measured(
    fusion: FusionModel,
    data: str,
    state: str,
    moments: Moments,
    labels: NDArray[np.int64],
    items: Items,
) -> list[Cell]:
    """A cell for every choice of two or three modalities, over the moments that have them all."""
    cells = []
    for size in (2, 3):
        for present in combinations(MODALITIES, size):
            rows = [k for k, moment in enumerate(moments) if set(present) <= set(moment)]
            if len({int(labels[k]) for k in rows}) < len(EMOTIONS):
                continue
            chosen = [moments[k] for k in rows]
            answers = {m: _alone(fusion, chosen, m, labels[rows]) for m in present}
            fused = _fused(fusion, chosen, present)
            keys = {m: items[rows, MODALITIES.index(m)] for m in present}
            cells.append(_cell(data, state, fused, answers, labels[rows], keys))
    return cells


def _fused(fusion: FusionModel, moments: Moments, present: Sequence[str]) -> NDArray[np.int64]:
    """Answers (N,) of the fusion with the modalities of ``present``."""
    opinions = ({m: moment[m] for m in present} for moment in moments)
    return np.array([fusion.fuse(of)[0].argmax() for of in opinions])


def _alone(
    fusion: FusionModel, moments: Moments, modality: str, labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Answers (N,) of one modality: its encoder's or the fusion's, by the higher recall."""
    own = np.array([moment[modality].log_probs.argmax() for moment in moments])
    both = (own, _fused(fusion, moments, [modality]))
    return max(both, key=lambda answers: _recall(answers == labels, labels))


def _cell(
    data: str,
    state: str,
    fused: NDArray[np.int64],
    answers: Mapping[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
    keys: Mapping[str, NDArray[np.uint64]],
) -> Cell:
    """Of M moments: the fused answers (M,), and by modality its answers and items (M,)."""
    present = tuple(answers)
    recalls = {m: _recall(answers[m] == labels, labels) for m in present}
    which = max(recalls, key=lambda m: recalls[m])
    differ = (fused == labels).astype(np.float64) - (answers[which] == labels)
    of = min((np.unique(keys[m], return_inverse=True)[1] for m in present), key=np.max)
    low, high = _interval(differ, labels, of)
    recall = _recall(fused == labels, labels)
    return Cell(data, state, present, recall, recalls[which], which, low, high)


def _interval(
    differ: NDArray[np.float64], labels: NDArray[np.int64], of: NDArray[np.int64]
) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``differ`` over the emotions, in percent.

    ``of``: the group of each moment, which is drawn as a whole. An emotion that is not drawn does
    not count.
    """
    cells, n = of * len(EMOTIONS) + labels, (int(of.max()) + 1) * len(EMOTIONS)
    counts = [np.bincount(cells, weights, n) for weights in (differ, np.ones(len(of)))]
    # by group, the sum of ``differ`` and the number of moments of each emotion, shape (G, 14)
    groups = np.concatenate([c.reshape(-1, len(EMOTIONS)) for c in counts], axis=1)
    drawn = resampled(groups.astype(np.float64), RESAMPLES, seed=0)
    sums, support = np.moveaxis(drawn.reshape(RESAMPLES, 2, len(EMOTIONS)), 1, 0)
    values = (sums / np.maximum(support, 1)).sum(axis=1) / (support > 0).sum(axis=1)
    low, high = np.percentile(100 * values, [2.5, 97.5])
    return float(low), float(high)


def _recall(hits: NDArray[np.floating] | NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
    """Mean over the emotions of the mean of ``hits``, in percent."""
    return float(100 * np.mean([hits[labels == c].mean() for c in np.unique(labels)]))


def _names(present: Sequence[str]) -> str:
    return ", ".join(NAMES[m] for m in present)


def _row(cell: Cell) -> Row:
    values = {"fused": cell.fused, "best": cell.best, "low": cell.low, "high": cell.high}
    key = f"{cell.data} {cell.state} {'+'.join(cell.present)}"
    return Row(key, key, f"{cell.points:+.1f}", values=values, better="more")


def _table(cells: Sequence[Cell]) -> Table:
    headings = ["data", "state", "present", "best alone", "recall", "fused", "difference"]
    lines = [
        [
            c.data, c.state, _names(c.present), NAMES[c.which], f"{c.best:.1f}", f"{c.fused:.1f}",
            f"{c.points:+.1f} ({c.low:+.1f} to {c.high:+.1f})",
        ]
        for c in cells
    ]  # fmt: skip
    return Table(headings, lines, words=4)
