"""What lies in the folder of a training run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer.models.errors import MmerError
from mmer.training.curves import CURVES, Row, read_curves
from mmer.training.predictions import FILE as PREDICTIONS
from mmer.training.predictions import Predictions
from mmer.training.report.attention import FILE as ATTENTION
from mmer.training.report.attention import Example, load_attention


@dataclass(frozen=True, eq=False)
class Run:
    """``card`` is NAME.json of the exported network, empty where it was not exported."""

    name: str
    card: Mapping[str, Any]
    curves: Sequence[Row]
    predictions: Predictions | None
    attention: Sequence[Example]


def read_run(folder: Path) -> Run:
    """Everything a report can tell of.

    Raises:
        MmerError: no such folder, nothing to tell of in it, or a file is not sound.
    """
    if not folder.is_dir():
        raise MmerError(f"no folder {folder}: name the --output of a mmer-train run")
    card = _card(folder)
    run = Run(
        name=str(card.get("name") or folder.resolve().name),
        card=card,
        curves=read_curves(path) if (path := folder / CURVES).exists() else (),
        predictions=Predictions.load(path) if (path := folder / PREDICTIONS).exists() else None,
        attention=load_attention(path) if (path := folder / ATTENTION).exists() else (),
    )
    if not (run.card or run.curves or run.predictions):
        raise MmerError(
            f"nothing to report in {folder}: expected a card (NAME.json), {CURVES} or {PREDICTIONS}"
        )
    return run


def _card(folder: Path) -> dict[str, Any]:
    """The one JSON file that says by which recipe a network was trained."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MmerError(f"{path} is not sound JSON: mend or remove it") from error
        if isinstance(table, dict) and {"name", "recipe", "development"} <= set(table):
            found[path.name] = table
    if len(found) > 1:
        raise MmerError(f"{folder} holds several cards ({', '.join(found)}): report one run a time")
    return next(iter(found.values()), {})
