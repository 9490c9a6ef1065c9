"""Measured figures in the models' cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mmer.models.cards.card import load_card
from mmer.models.cards.parts import Measured
from mmer.models.errors import MmerError
from mmer.models.face_baseline import NAME as BASELINE

CARD_OF: Final[Mapping[str, str]] = {
    "speech": "speech", "face": "face", "text": "text", "fused": "fusion",
}  # fmt: skip
"""Name of the card by group of rows."""
NETWORKS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "speech": ("speech",),
    "face": ("face", BASELINE),
    "text": ("text",),
    "fused": ("speech", "face", BASELINE, "text", "fusion"),
}
"""Networks on which the rows of a group rest."""
_FIGURES: Final = (
    "n", "floor_accuracy", "accuracy", "weighted_f1", "macro_f1", "unweighted_recall", "ece",
    "interval",
)  # fmt: skip


def write_cards(report: Mapping[str, Any], folder: Path) -> None:
    """Store what was measured on other than a card's own development data, in its ``measured``.

    The clips and IEMOCAP of the fusion are development data, but not those of its card. Cards of
    groups of which nothing was measured stay as they are.

    Raises:
        MmerError: a card is missing, not valid, or of other weights than were measured.
    """
    for group, name in CARD_OF.items():
        rows = [
            row
            for row in report["rows"]
            if row["group"] == group
            and row["status"] == "measured"
            and (row["kind"] != "development" or group == "fused")
        ]
        if not rows:
            continue
        path = folder / f"{name}.json"
        card = load_card(path)
        there = {of: folder / f"{of}.json" for of in NETWORKS_OF[group]}
        hashes = {of: load_card(p).sha256 for of, p in there.items() if p.is_file()}
        if any(report["models"].get(of) != sha256 for of, sha256 in hashes.items()):
            raise MmerError(f"{path} is the card of other weights than were measured")
        replace(card, measured=tuple(_measured(row) for row in rows)).save(path)


def _measured(row: Mapping[str, Any]) -> Measured:
    figures = {name: row["figures"][name] for name in _FIGURES}
    return Measured(
        row["data"], row["condition"], command=row["command"], kind=row["kind"], **figures
    )
