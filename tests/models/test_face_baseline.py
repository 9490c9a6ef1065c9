"""The learned baseline belongs to one face network and starts from its answers as they are."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.errors import MmerError
from mmer.models.face_baseline import NAME, FaceBaseline
from mmer.models.prediction import log_softmax


def answer(seed: int = 0) -> np.ndarray:
    return log_softmax(3 * np.random.default_rng(seed).standard_normal(7))


@pytest.fixture(scope="module")
def shipped() -> FaceBaseline:
    return FaceBaseline.load()


def test_the_shipped_one_is_of_the_shipped_face_network_and_of_no_other() -> None:
    face = load_card(weights_dir() / "face.json")
    found = FaceBaseline.of(face)
    assert found is not None
    assert found.network == face.sha256
    assert FaceBaseline.of(replace(face, sha256="0" * 64)) is None


def test_where_nothing_is_known_the_answer_keeps_its_order(shipped: FaceBaseline) -> None:
    x = answer()
    made = shipped.corrected(x, x, np.exp(x), 0.0)
    assert made == pytest.approx(log_softmax(x / shipped.card.temperature), abs=1e-5)


def test_what_a_person_always_shows_counts_less_the_more_is_known(shipped: FaceBaseline) -> None:
    x = log_softmax(np.array([0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 3.0]))
    usual = log_softmax(np.array([0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0]))
    made = [shipped.corrected(x, usual, np.exp(usual), p) for p in (0.0, 0.5, 0.9)]
    surprise = [m[6] - m[4] for m in made]
    assert surprise[0] < surprise[1] < surprise[2]
    assert surprise[2] > 0 > surprise[0]
    for log_probs in made:
        assert log_probs.dtype == np.float32
        assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-5)


def test_a_folder_with_one_for_its_face_network_is_used(tmp_path: Path) -> None:
    face = load_card(weights_dir() / "face.json")
    for name in (f"{NAME}.json", f"{NAME}.onnx", f"{NAME}.seen.npz"):
        shutil.copy(weights_dir() / name, tmp_path / name)
    card = json.loads((tmp_path / f"{NAME}.json").read_text())
    card["preprocessing"]["encoders"]["face"] = "1" * 64
    (tmp_path / f"{NAME}.json").write_text(json.dumps(card))
    other = replace(face, sha256="1" * 64)
    assert FaceBaseline.of(other, tmp_path) is not None
    assert FaceBaseline.of(other) is None
    card["preprocessing"]["encoders"] = "none"
    (tmp_path / f"{NAME}.json").write_text(json.dumps(card))
    with pytest.raises(MmerError, match="encoders is 'none'"):
        FaceBaseline.of(other, tmp_path)
