"""Contents of the folder of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmer.models.bounded_json import read_json
from mmer.models.errors import MmerError
from mmer.training.loop.curves import CURVES, Row, read_curves
from mmer.training.metrics.predictions import FILE as PREDICTIONS
from mmer.training.metrics.predictions import Predictions
from mmer.training.report.attention import FILE as ATTENTION
from mmer.training.report.attention import Example, load_attention

FIGURES: Final = "figures.json"
"""Figures, recipe and data of a multimodal run."""


@dataclass(frozen=True, eq=False)
class Run:
    """``card`` is NAME.json of the exported network, empty where it was not exported.

    ``about`` holds recipe, training and notes: of the card, else of the run's or its first fold's
    figures.json; empty where neither is there. ``missing`` lists the files that are not there.
    """

    name: str
    card: Mapping[str, Any]
    about: Mapping[str, Any]
    curves: Sequence[Row]
    predictions: Predictions | None
    attention: Sequence[Example]
    missing: Sequence[str]


def read_run(folder: Path) -> Run:
    """Read the folder of a run.

    Raises:
        MmerError: no such folder, nothing to report in it, or a damaged file.
    """
    if not folder.is_dir():
        raise MmerError(f"no folder {folder}: name the --output of a mmer-train run")
    card = _card(folder)
    about = card or _about(folder / FIGURES) or _about(folder / "fold-0" / FIGURES)
    run = Run(
        name=str(about.get("name") or folder.resolve().name),
        card=card,
        about=about,
        curves=read_curves(path) if (path := folder / CURVES).exists() else (),
        predictions=Predictions.load(path) if (path := folder / PREDICTIONS).exists() else None,
        attention=load_attention(path) if (path := folder / ATTENTION).exists() else (),
        missing=_missing(folder, bool(about)),
    )
    if not (run.card or run.curves or run.predictions):
        runs = ", ".join(sorted(path.parent.name for path in folder.glob(f"*/{PREDICTIONS}")))
        raise MmerError(
            f"nothing to report in {folder}: expected a card (NAME.json), {CURVES} or {PREDICTIONS}"
            + (f"; it holds the runs {runs}" if runs else "")
        )
    return run


def _missing(folder: Path, described: bool) -> list[str]:
    """Missing files, and where they are instead."""
    folds = sorted(path.name for path in folder.glob("fold-*") if path.is_dir())
    inside = f"; see the reports of {folds[0]} to {folds[-1]}" if folds else ""
    wanted = {
        "losses and figures by epoch": CURVES,
        "predictions of every evaluated item": PREDICTIONS,
        "attention weights": ATTENTION,
    }
    missing = [
        f"{w}: no {name}{inside}" for w, name in wanted.items() if not (folder / name).exists()
    ]
    if not described:
        missing.append(f"recipe and data: neither a card (NAME.json) nor {FIGURES} with them")
    return missing


def _about(path: Path) -> dict[str, Any]:
    """The description of a run in figures.json; empty where there is none."""
    table = _read(path) if path.exists() else {}
    return table if isinstance(table, dict) and {"name", "recipe"} <= set(table) else {}


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise MmerError(f"{path} is not valid JSON: repair or remove it") from error


def _card(folder: Path) -> dict[str, Any]:
    """The card of the exported network; empty where there is none."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        table = _read(path)
        if isinstance(table, dict) and {"name", "recipe", "development"} <= set(table):
            found[path.name] = table
    if len(found) > 1:
        raise MmerError(f"{folder} holds several cards ({', '.join(found)}): report one run a time")
    return next(iter(found.values()), {})
