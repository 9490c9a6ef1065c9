"""Weights under evaluation, and the fingerprint of their training set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.bundle import Bundle
from mmer.models.cards.card import Card, check_file, find_card, load_card, weights_dir
from mmer.models.cards.seen import Seen
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.training.evaluation.settings import Settings

_NO_WORDS: Final = ("text", "none")
"""Modality and ASR engine: no text is recognized."""


@dataclass(frozen=True)
class Weights:
    """A card, its path, and the fingerprint of its training set (None: not stored)."""

    path: Path
    card: Card
    seen: Seen | None


def weights_of(modality: str, given: Path | None, settings: Settings) -> list[Weights]:
    """The models under evaluation: one, or for a clip all that the recognizer opens.

    Raises:
        MmerError: see ``find_weights``.
    """
    if modality != "clip":
        return [find_weights(given, modality)]
    if given is not None and not given.is_dir():
        raise MmerError(f"--weights {given}: for clips name a folder with the models' cards")
    names: list[str] = [
        m for m in MODALITIES if m in settings.modalities and (m, settings.asr) != _NO_WORDS
    ]
    folder = None if given is None else Bundle(given)
    if folder is not None:
        names = [n for n in names if not folder.why_not(n)]
    own = [n for n in (*names, "fusion") if folder is not None and n in folder.cards]
    shipped = [n for n in names if n not in own]
    if folder is None and (weights_dir() / "fusion.json").is_file():
        shipped.append("fusion")
    return [*(find_weights(given, n) for n in own), *(find_weights(None, n) for n in shipped)]


def folder_of(weights: Path | None, name: str) -> Path | None:
    """``weights`` where it holds the card NAME.json, else None: the shipped one."""
    return weights if weights is not None and (weights / f"{name}.json").is_file() else None


def find_weights(given: Path | None, modality: str) -> Weights:
    """The card of ``modality`` at a given network, card or folder.

    Raises:
        MmerError: there is none, or it or its training-set fingerprint is damaged or missing.
    """
    card, path = find_card(_card_of(given, modality), modality)
    seen = path.with_name(card.seen) if card.seen else path.with_suffix(".seen.npz")
    if card.seen_sha256:  # cards of before 0.2 have none
        check_file(seen, card.seen_sha256)
    return Weights(path, card, Seen.load(seen) if card.seen or seen.is_file() else None)


def _card_of(given: Path | None, modality: str) -> Path:
    if given is None:
        return weights_dir() / f"{modality}.json"
    if given.is_dir():
        path = given / f"{modality}.json"
        if not path.is_file():
            raise MmerError(f"--weights {given} holds no {modality}.json")
        return path
    if not given.is_file():
        raise MmerError(f"--weights {given}: there is no such file or folder")
    if given.suffix == ".json":
        return given
    if given.suffix != ".onnx":
        raise MmerError(f"--weights {given}: expected NAME.onnx, its card NAME.json or a folder")
    card = given.with_suffix(".json")
    if not card.is_file():
        raise MmerError(f"--weights {given}: there is no card {card.name} beside it")
    if load_card(card).file != given.name:
        raise MmerError(f"--weights {given}: the card beside it is of {load_card(card).file}")
    return card
