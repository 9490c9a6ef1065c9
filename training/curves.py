"""The course of a training run: curves.csv and curves.png, rewritten after every epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, float]
"""One epoch: its number, losses, figures on development data, seconds."""


def write_curves(rows: Sequence[Row], folder: Path, title: str) -> None:
    """Write both files; all rows have the keys of ``EpochReport`` and ``Figures``.

    Raises:
        OSError: the folder cannot be written to.
    """
    with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    _draw(rows, folder / "curves.png", title)


def _draw(rows: Sequence[Row], path: Path, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)  # no display is asked for
    figure.suptitle(title)
    epochs = [row["epoch"] for row in rows]
    losses, quality = figure.subplots(1, 2)
    losses.plot(epochs, [row["train_loss"] for row in rows], label="training, augmented")
    losses.plot(epochs, [row["development_loss"] for row in rows], label="development")
    losses.set(xlabel="epoch", ylabel="loss (nats)")
    for key in ("accuracy", "weighted_f1", "macro_f1", "unweighted_recall"):
        quality.plot(epochs, [row[key] for row in rows], label=key.replace("_", " "))
    quality.axhline(rows[-1]["floor_accuracy"], color="grey", linestyle="--", label="floor")
    quality.set(xlabel="epoch", ylabel="development figures (0..1)", ylim=(0, 1))
    for axes in (losses, quality):
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
