"""Networks of a benchmark: a folder's own, the shipped ones for the rest."""

from __future__ import annotations

from pathlib import Path

from mmer.models.cards.card import KINDS, load_card, weights_dir


def folder_of(weights: Path | None, name: str) -> Path | None:
    """``weights`` where it holds the card NAME.json, else None: the shipped one."""
    return weights if weights is not None and (weights / f"{name}.json").is_file() else None


def hashes(weights: Path | None) -> dict[str, str]:
    """sha256 of each network, by the name of its card; what is not there is left out."""
    paths = {name: (folder_of(weights, name) or weights_dir()) / f"{name}.json" for name in KINDS}
    return {name: load_card(path).sha256 for name, path in paths.items() if path.is_file()}
