"""Training curves on disk: curves.csv of every epoch, curves.png drawn of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmer.models.errors import MmerError
from mmer.training.plotting import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES: Final = "curves.csv"
"""File name in the folder of a run."""
Row = Mapping[str, float]
"""One epoch: its number, losses, figures on development data, seconds."""
_LOSSES: Final = {"train_loss": "training, augmented", "development_loss": "development"}
_QUALITY: Final = ("accuracy", "weighted_f1", "macro_f1", "unweighted_recall")


def write_curves(rows: Sequence[Row], folder: Path) -> None:
    """Write ``curves.csv``; all rows have the keys of ``EpochReport`` and ``Figures``.

    Raises:
        OSError: the folder cannot be written to.
    """
    with (folder / CURVES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})


def draw_curves(rows: Sequence[Row], folder: Path, title: str) -> None:
    """Draw ``curves.png`` of the rows that ``write_curves`` writes.

    Raises:
        OSError: the folder cannot be written to.
    """
    curves_figure(rows, title).savefig(folder / "curves.png", dpi=110)


def read_curves(path: Path) -> list[Row]:
    """The epochs that ``write_curves`` wrote, one or more.

    Raises:
        MmerError: it cannot be read, or holds something else.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise MmerError(f"{path} is not a training run's course: train anew") from error
    if not rows or not {"epoch", "floor_accuracy", *_LOSSES, *_QUALITY} <= set(rows[0]):
        raise MmerError(f"{path} is not a training run's course: train anew")
    return list(rows)


def curves_figure(rows: Sequence[Row], title: str) -> Figure:
    """Losses on the left, figures on development data on the right."""
    figure = new_figure(9, 4)
    figure.suptitle(title, parse_math=False)
    epochs = [row["epoch"] for row in rows]
    losses, quality = figure.subplots(1, 2)
    for key, label in _LOSSES.items():
        losses.plot(epochs, [row[key] for row in rows], label=label)
    losses.set(xlabel="epoch", ylabel="loss (nats)")
    for key in _QUALITY:
        quality.plot(epochs, [row[key] for row in rows], label=key.replace("_", " "))
    quality.axhline(rows[-1]["floor_accuracy"], color="grey", linestyle="--", label="floor")
    quality.set(xlabel="epoch", ylabel="development figures (0..1)", ylim=(0, 1))
    for axes in (losses, quality):
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    return figure
