"""Weights, recordings and a model that answers without being asked much."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.cards.seen import Seen
from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.item import Item
from mmer.training.evaluation.answers import Answer


class Parrot:
    """Answers with the label that a text, or a file's name, ends in; "broken" cannot be read."""

    past_utterances = 2

    def __init__(self, *_: object, **__: object) -> None:
        self.notices: list[str] = []
        self.shown: list[Item] = []

    def answer(self, item: Item) -> Answer:
        self.shown.append(item)
        said = item.text.split() if item.path is None else item.path.stem.split("_")
        if said[0] == "broken":
            raise MmerError(f"cannot read {item.key}")
        probs = np.full(len(EMOTIONS), 0.05)
        probs[EMOTIONS.index(said[-1])] = 0.7
        return Answer(np.log(probs))

    def about(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> list[Parrot]:
    """Takes the models' place; the list has those that were opened."""
    opened: list[Parrot] = []

    def make(*_: object, **__: object) -> Parrot:
        opened.append(Parrot())
        return opened[-1]

    monkeypatch.setattr("mmer.training.evaluation.speech.SpeechAnswerer", make)
    monkeypatch.setattr("mmer.training.evaluation.text.TextAnswerer", make)
    monkeypatch.setattr("mmer.training.evaluation.face.FaceAnswerer", make)
    return opened


@pytest.fixture
def weights(tmp_path: Path) -> Callable[..., Path]:
    """``weights("speech", seen)``: a folder with the shipped model, and what it is said to know."""

    def make(modality: str, seen: Seen | None = None) -> Path:
        folder = tmp_path / "weights"
        folder.mkdir(exist_ok=True)
        card = json.loads((weights_dir() / f"{modality}.json").read_text())
        for name in (card["file"], card["preprocessing"].get("tokenizer")):
            if name:
                shutil.copy(weights_dir() / name, folder / name)
        card["seen"] = card["seen_sha256"] = ""
        if seen is not None:
            card["seen"] = f"{modality}.seen.npz"
            seen.save(folder / card["seen"])
            card["seen_sha256"] = sha256_of(folder / card["seen"])
        (folder / f"{modality}.json").write_text(json.dumps(card))
        return folder

    return make


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., Path]:
    """``manifest(header, *rows)`` writes a CSV file, with an empty file for each path."""

    def make(header: str, *rows: str) -> Path:
        path = tmp_path / "items.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        column = header.split(",").index("path") if "path" in header.split(",") else None
        for number, row in enumerate(rows):
            if column is not None:
                file = tmp_path / row.split(",")[column]
                if not file.exists():
                    file.write_bytes(f"recording {number}".encode())
        return path

    return make
