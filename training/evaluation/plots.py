"""Plots of an evaluation: confusion.png and reliability.png."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmer.models.labels import EMOTIONS
from mmer.training.evaluation.result import Evaluation
from mmer.training.metrics.figures import ECE_BINS
from mmer.training.plotting import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS = ("confusion.png", "reliability.png")


def draw(e: Evaluation, folder: Path) -> None:
    """Write ``PLOTS`` into a folder that exists.

    Raises:
        OSError: the folder cannot be written to.
    """
    for name, drawn in zip(PLOTS, (confusion_figure, reliability_figure), strict=True):
        drawn(e).savefig(folder / name, dpi=110)


def confusion_figure(e: Evaluation) -> Figure:
    """Counts, coloured by their share of the true class."""
    figure = new_figure(7, 6)
    axes = figure.subplots()
    support = e.confusion.sum(axis=1, keepdims=True)
    shares = e.confusion / np.maximum(support, 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), n in np.ndenumerate(e.confusion):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{n}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=30)
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set(xlabel="predicted", ylabel="true", title=_title(e))
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return figure


def reliability_figure(e: Evaluation) -> Figure:
    """How often answers of a confidence are right (DeGroot & Fienberg 1983)."""
    probs = np.exp(e.log_probs)
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == e.labels
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    filled = [b for b in range(ECE_BINS) if (bins == b).any()]
    figure = new_figure(6, 6)
    reliability, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    reliability.plot([0, 1], [0, 1], color="grey", linestyle="--", label="calibrated")
    reliability.plot(
        [confidence[bins == b].mean() for b in filled],
        [right[bins == b].mean() for b in filled],
        marker="o",
        label=f"answers (calibration error {100 * e.figures.ece:.1f} %)",
    )
    reliability.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1), title=_title(e))
    reliability.legend(loc="upper left")
    reliability.grid(alpha=0.3)
    counts.hist(confidence, bins=np.linspace(0, 1, ECE_BINS + 1), color="tab:blue")
    counts.set(xlabel="confidence", ylabel="items")
    return figure


def _title(e: Evaluation) -> str:
    about = e.about
    what = f"{about.get('modality')} on {about.get('dataset')} {about.get('split')}"
    what = str(about.get("what", what)).replace("$", r"\$")  # a dollar, no formula
    return f"{what}: {e.figures.n} items, accuracy {100 * e.figures.accuracy:.1f} %"
