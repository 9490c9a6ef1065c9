"""Plots of a run, as PNG."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from mmer.training.evaluation.plots import confusion_figure, reliability_figure
from mmer.training.evaluation.result import Evaluation
from mmer.training.loop.curves import curves_figure
from mmer.training.report.attention import figures_of
from mmer.training.report.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plots_of(run: Run, e: Evaluation | None) -> dict[str, bytes]:
    """PNG files by name, where the run has the data: curves, confusion, attention-0-tokens, ..."""
    drawn = {}
    if run.curves:
        drawn["curves"] = curves_figure(run.curves, f"{run.name}: training")
    if e is not None:
        drawn["confusion"], drawn["reliability"] = confusion_figure(e), reliability_figure(e)
    for k, example in enumerate(run.attention):
        for what, figure in figures_of(example).items():
            drawn[f"attention-{k}-{what.replace(' ', '-')}"] = figure
    return {name: _png(figure) for name, figure in drawn.items()}


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
