"""The curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.curve.points import Panel, Point
from mmer.models.labels import EMOTIONS

END_AT: Final = 3.0
"""Where "at the end" stands on the axis of seconds."""
DODGE_S: Final = 0.04
"""Lines stand so far apart that their intervals can be told from each other."""


def draw(panels: Sequence[Panel], path: Path) -> None:
    """A column a panel: unweighted recall above, accuracy with its floor below; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(panels), 7.0), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey=True)
    for column, panel in enumerate(panels):
        upper, lower = axes[0][column], axes[1][column]
        upper.set_title(f"{panel.title}\n{panel.data.replace('; ', chr(10))}", fontsize=9)
        _lines(upper, panel, "unweighted_recall")
        upper.axhline(100 / len(EMOTIONS), color="0.6", linestyle=":", label="chance")
        _lines(lower, panel, "accuracy")
        floor = panel.lines[0].points[0].floor_accuracy
        lower.axhline(100 * floor, color="0.4", linestyle="--", label="always the commonest")
        upper.legend(fontsize=7, loc="best")
        lower.legend(fontsize=7, loc="best")
        lower.set_xlabel("seconds of speech")
    axes[0][0].set_ylabel("unweighted recall, %")
    axes[1][0].set_ylabel("accuracy, %")
    axes[0][0].set_ylim(0, 100)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _lines(axis: Any, panel: Panel, key: str) -> None:
    for number, line in enumerate(panel.lines):
        shift = (number - (len(panel.lines) - 1) / 2) * DODGE_S
        xs = [(END_AT if p.t_s is None else p.t_s) + shift for p in line.points]
        ys = [100 * getattr(p, key) for p in line.points]
        axis.errorbar(
            xs, ys, yerr=_whiskers(line.points, key), marker="o", markersize=4, capsize=2,
            linewidth=1.4, elinewidth=0.8, label=line.name,
        )  # fmt: skip
    times = [p.t_s for p in panel.lines[0].points if p.t_s is not None]
    axis.set_xticks([*times, END_AT], [*(f"{t:g}" for t in times), "end"])
    axis.grid(axis="y", alpha=0.3)


def _whiskers(points: Sequence[Point], key: str) -> list[list[float]]:
    middle = [getattr(p, key) for p in points]
    low = [100 * max(0.0, m - p.interval[key][0]) for m, p in zip(middle, points, strict=True)]
    high = [100 * max(0.0, p.interval[key][1] - m) for m, p in zip(middle, points, strict=True)]
    return [low, high]
