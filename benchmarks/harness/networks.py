"""Networks of a benchmark, by their bytes."""

from __future__ import annotations

from pathlib import Path

from mmer.models.cards.card import KINDS, load_card, weights_dir
from mmer.models.face_baseline import NAME as BASELINE
from mmer.training.evaluation.weights import folder_of


def hashes(weights: Path | None) -> dict[str, str]:
    """sha256 of each network, by the name of its card; what is not there is left out."""
    names = (*KINDS, BASELINE)
    paths = {name: (folder_of(weights, name) or weights_dir()) / f"{name}.json" for name in names}
    return {name: load_card(path).sha256 for name, path in paths.items() if path.is_file()}


def shipped() -> dict[str, str]:
    """The first twelve digits of the sha256 of each shipped network, for a report."""
    return {name: sha256[:12] for name, sha256 in hashes(None).items()}
