"""Model card beside each network: identity, preparation, training data, figures, calibration."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from mmer.models.bounded_json import read_json
from mmer.models.cards.parts import Coverage, Development, Measured, Parity, TrainingData
from mmer.models.engine import Engine, Lengths, open_engine
from mmer.models.errors import MmerError
from mmer.models.files import (
    beside,
    check_file,
    check_regular,
    has_external_data,
    mend,
    weights_dir,
)
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.whole_file import write_whole

__all__ = [
    "KINDS",
    "Card",
    "Coverage",
    "Development",
    "Measured",
    "Parity",
    "TrainingData",
    "card_path",
    "check_file",
    "find_card",
    "load_card",
    "open_network",
    "weights_dir",
]

T = TypeVar("T")
KINDS = (*MODALITIES, "fusion")
"""What a card may be of."""
LARGE_BYTES: Final = 50_000_000
"""From this size of its file on, a network runs on ``THREADS``: transformers gain by it, and the
shipped networks, a tenth or less of that, do not."""
THREADS: Final = min(4, os.cpu_count() or 1)
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "file": str,
    "sha256": str,
    "labels": list,
    "preprocessing": dict,
    "temperature": (int, float),
    "training": list,
    "notes": (list, tuple),
    "intended_use": (list, tuple),
    "unintended_use": (list, tuple),
    "known_failures": (list, tuple),
    "conditions": (list, tuple),
    "coverage": (list, tuple),
    "measured": (list, tuple),
    "abstain_below": (int, float),
    "seen": str,
    "seen_sha256": str,
}
"""What JSON must make of each value that the code relies on."""
_WORDS = {
    str: "text",
    list: "a list",
    (list, tuple): "a list",
    dict: "a table",
    (int, float): "a number",
}


@dataclass(frozen=True)
class Card:
    """Everything a user of NAME.onnx must know, read from NAME.json.

    ``preprocessing`` is the wrapper's configuration; ``temperature`` divides the logits. An answer
    less confident than ``abstain_below`` is worth none: ``coverage`` and ``abstention`` say why.
    ``seen`` names the file of what the weights were fitted to (see ``Seen``), of a sha256 since
    0.2; ``latency_ms`` is
    the median of a development item on one thread of ``machine``. ``conditions`` are the
    development figures in other states of that data, ``measured`` those on other data.
    """

    name: str
    modality: str
    file: str
    sha256: str
    labels: tuple[str, ...]
    preprocessing: Mapping[str, Any]
    temperature: float
    training: tuple[TrainingData, ...]
    recipe: Mapping[str, Any]
    development: Development
    licence: str
    notes: tuple[str, ...] = ()
    intended_use: tuple[str, ...] = ()
    unintended_use: tuple[str, ...] = ()
    known_failures: tuple[str, ...] = ()
    starting_point: str = ""
    precision: str = "float32"
    seen: str = ""
    seen_sha256: str = ""
    latency_ms: float | None = None
    machine: str = ""
    parity: Parity | None = None
    conditions: tuple[Development, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    abstain_below: float = 0.0
    abstention: str = ""
    measured: tuple[Measured, ...] = ()

    def save(self, path: Path) -> None:
        """Write the card as JSON."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        write_whole(path, text + "\n")

    @property
    def input_kind(self) -> str:
        """Name of the preparation; "" of a fusion, and on cards of before 0.2."""
        settings = self.preprocessing.get("input")
        return str(settings.get("kind")) if isinstance(settings, Mapping) else ""

    def setting(self, key: str) -> Any:
        """One value of ``preprocessing``.

        Raises:
            MmerError: the card does not have it.
        """
        if key not in self.preprocessing:
            raise MmerError(
                f"card {self.name}: preprocessing lacks {key!r}: it was not written for this "
                "version of mmer-live; train it again, or omit --weights"
            )
        return self.preprocessing[key]

    def number(self, key: str) -> float:
        """One value of ``preprocessing`` that must be a number above 0.

        Raises:
            MmerError: the card does not have it, or it is something else.
        """
        value = self.setting(key)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            raise MmerError(f"card {self.name}: {key} is {value!r}, expected a number above 0")
        return float(value)


_LISTS: Mapping[str, type] = {
    "training": TrainingData,
    "conditions": Development,
    "coverage": Coverage,
    "measured": Measured,
}


def _build(kind: type[T], table: object, path: Path) -> T:
    if not isinstance(table, dict):
        raise MmerError(f"{path}: {kind.__name__} must be a table; {mend(path)}")
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(**{k: v for k, v in table.items() if k in known})
    except TypeError as error:
        raise MmerError(f"{path} is not a valid model card: {error}; {mend(path)}") from error


def load_card(path: Path) -> Card:
    """Read NAME.json; keys that this version does not know are ignored.

    Raises:
        MmerError: the file is missing or not a valid model card.
    """
    try:
        check_regular(path)
        table = read_json(path)
    except MmerError as error:
        raise MmerError(f"cannot read the model card {error}") from error
    except OSError as error:
        raise MmerError(
            f"cannot read the model card {path}: {error.strerror}; {mend(path)}"
        ) from error
    except ValueError as error:
        raise MmerError(f"{path} is not a valid model card: {error}; {mend(path)}") from error
    card = _build(Card, table, path)
    for name, kind in _KINDS.items():
        value = getattr(card, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise MmerError(f"{path}: {name} must be {_WORDS[kind]}, got {value!r}; {mend(path)}")
    if tuple(card.labels) != EMOTIONS:
        raise MmerError(f"{path}: labels are {list(card.labels)}, expected {list(EMOTIONS)}")
    if card.modality not in KINDS:
        raise MmerError(f"{path}: modality is {card.modality!r}, expected one of {KINDS}")
    if not 0 < card.temperature < float("inf"):
        raise MmerError(f"{path}: temperature is {card.temperature!r}, expected above 0")
    if not 0 <= card.abstain_below <= 1:
        raise MmerError(f"{path}: abstain_below is {card.abstain_below!r}, expected 0 to 1")
    beside(path.parent, card.file, f"{path}: file")
    if card.seen:
        beside(path.parent, card.seen, f"{path}: seen")
    values = {f.name: getattr(card, f.name) for f in fields(Card)}
    values["labels"] = EMOTIONS
    values["development"] = _build(Development, card.development, path)
    if card.parity is not None:
        values["parity"] = _build(Parity, card.parity, path)
    for name, kind in _LISTS.items():
        values[name] = tuple(_build(kind, entry, path) for entry in getattr(card, name))
    for name in ("notes", "intended_use", "unintended_use", "known_failures"):
        values[name] = tuple(getattr(card, name))
    return Card(**values)


def find_card(folder: Path | None, modality: str) -> tuple[Card, Path]:
    """The card that ``folder`` means (see ``card_path``), and its path.

    Raises:
        MmerError: it is missing, not valid or of another modality.
    """
    path = card_path(folder, modality)
    card = load_card(path)
    if card.modality != modality:
        raise MmerError(f"{path} is the card of a {card.modality} model, expected {modality}")
    return card, path


def open_network(
    card: Card,
    path: Path,
    provider: str,
    inputs: tuple[str, ...],
    optional: tuple[str, ...] = (),
    outputs: tuple[str, ...] = ("logits", "embedding"),
    lengths: Lengths | None = None,
) -> Engine:
    """Check the network beside the card at ``path``, and open it.

    Raises:
        MmerError: the file is missing, damaged or not the one that the card describes; some of
            its weights are in another file; it has other inputs than ``inputs``, which
            ``optional`` may follow, or lacks one of ``outputs``; the provider cannot run.
    """
    network = path.with_name(card.file)
    check_file(network, card.sha256)
    if has_external_data(network):
        raise MmerError(
            f"{network} has weights in another file, of which its card has no sha256: export it as "
            "one file"
        )
    threads = THREADS if network.stat().st_size >= LARGE_BYTES else 1
    engine = open_engine(network, provider, threads, lengths)
    fits = engine.inputs in (inputs, (*inputs, *optional))
    if not fits or not set(outputs) <= set(engine.outputs):
        raise MmerError(
            f"{network} takes {engine.inputs} and gives {engine.outputs}, "
            f"expected {inputs} and {outputs}"
        )
    return engine


def card_path(folder: Path | None, modality: str) -> Path:
    """MODALITY.json in a folder, by default the shipped one; a path to a card is that card."""
    if folder is not None and folder.suffix == ".json":
        return folder
    return (weights_dir() if folder is None else folder) / f"{modality}.json"
