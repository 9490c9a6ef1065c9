"""Files of models: the card of each, and what it names in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mmer.models.blazeface import FILE as BLAZEFACE
from mmer.models.bounded_json import read_json
from mmer.models.cards.card import KINDS, weights_dir

_NAMES: Final = (*KINDS, "face-baseline")


def model_files(weights: Path | None) -> list[Path]:
    """Existing files of the models that ``weights`` means, for outputs to stay away from.

    ``weights`` is a folder of cards, a card NAME.json or a network NAME.onnx; None: the shipped
    ones. With a folder's goes the shipped face detector. A damaged card is listed without the files
    that it should name.
    """
    folder = weights_dir() if weights is None else weights
    if folder.is_dir():
        cards = [folder / f"{name}.json" for name in _NAMES]
        others = [weights_dir() / BLAZEFACE]
    else:
        cards, others = [folder.with_suffix(".json")], []
    return [
        *(file for card in cards if card.is_file() for file in (card, *_named_by(card))),
        *(file for file in others if file.is_file()),
    ]


def _named_by(card: Path) -> list[Path]:
    try:
        content = read_json(card)
    except (OSError, ValueError):
        content = None
    names = {*_file_names(content), card.with_suffix(".onnx").name, f"{card.stem}.seen.npz"}
    return [card.with_name(name) for name in sorted(names) if card.with_name(name).is_file()]


def _file_names(content: Any) -> Iterator[str]:
    """Values of a card that may name a file: network, training-set fingerprint, tokenizer."""
    if isinstance(content, dict):
        settings = content.get("preprocessing")
        found = [*content.values(), *(settings.values() if isinstance(settings, dict) else ())]
        if isinstance(settings, dict) and isinstance(settings.get("input"), dict):
            found += settings["input"].values()
        yield from (v for v in found if isinstance(v, str) and _is_name(v))


def _is_name(text: str) -> bool:
    return text.isprintable() and len(text) < 256 and Path(text).name == text not in ("", ".", "..")
