"""Encoder models of a run: inputs and outputs of the network, cards and files that do not fit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import BANDS, COUNT, SIDE, edit, preparation, weights, write_run

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.encoder import (
    FaceModel,
    SpeechModel,
    TextModel,
    load_encoder,
    preparation_of,
)
from mmer.models.errors import MmerError
from mmer.models.preparation.logmel_frames import LogMelSegment
from mmer.models.preparation.preparation import Utterance

ALL = ("speech", "text", "face")
PICTURES = np.random.default_rng(1).integers(0, 255, (COUNT, SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), ALL, "embedding", temperatures={"speech": 2.0})


def noise(seconds: float) -> np.ndarray:
    return (np.random.default_rng(3).normal(size=round(16000 * seconds)) * 2000).astype(np.int16)


def worked_out(modality: str, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and embedding of features (T, D)."""
    p, w = weights(modality)
    mean = features.mean(axis=0)
    return mean @ w, mean @ p


def normalised(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    scaled = logits / temperature
    return np.asarray(scaled - np.log(np.exp(scaled).sum()))


def test_the_voice_is_prepared_evaluated_and_calibrated(run: Path) -> None:
    model = SpeechModel.load(run, "cpu")
    said = model.predict(noise(1.0))
    (mfcc,) = preparation("speech")(noise(1.0))
    logits, embedding = worked_out("speech", np.abs(mfcc))
    assert mfcc.shape[1] == BANDS
    np.testing.assert_allclose(said.log_probs, normalised(logits, 2.0), atol=1e-4)
    np.testing.assert_allclose(said.embedding, embedding, atol=1e-4)
    assert said.usable == 1.0


def test_of_the_voice_the_end_counts_and_too_little_is_told(run: Path) -> None:
    model = SpeechModel.load(run)
    long = noise(12.0)
    assert (model.predict(long).log_probs == model.predict(long[-160_000:]).log_probs).all()
    assert model.predict(noise(0.25)).usable == pytest.approx(0.5)
    for silence in (np.zeros(0, np.int16), np.zeros(16000, np.int16)):
        assert model.predict(silence).usable == 0.0
    with pytest.raises(ValueError, match="int16"):
        model.predict(noise(1.0).astype(np.float32))


def test_words_are_read_after_as_many_utterances_as_the_card_says(run: Path) -> None:
    model = TextModel.load(run)
    said = model.predict("Happy door", ["one two", "sad"])
    (tokens,) = preparation("text")(Utterance("happy door", ("sad",)))
    logits, embedding = worked_out("text", tokens[:, None].astype(np.float32))
    np.testing.assert_allclose(said.log_probs, normalised(logits), atol=1e-5)
    np.testing.assert_allclose(said.embedding, embedding, atol=1e-5)
    assert model.predict("  ").usable == 0.0


def test_pictures_are_evaluated_as_one_sequence_and_a_still_one_as_a_sequence_of_one(
    run: Path,
) -> None:
    model = FaceModel.load(run)
    assert (model.sees, model.count, model.geometry.size) == ("faces", COUNT, SIDE)
    said = model.predict(PICTURES)
    bright = (PICTURES.astype(np.float32) / 255 - 0.5) / 0.5
    logits, _ = worked_out("face", bright.mean(axis=(1, 2, 3))[:, None])
    np.testing.assert_allclose(said.log_probs, normalised(logits), atol=1e-5)
    still = model.predict(PICTURES[0])
    assert (still.log_probs == model.predict(PICTURES[:1]).log_probs).all()
    assert model.predict(PICTURES[:0]).usable == 0.0
    with pytest.raises(ValueError, match="uint8"):
        model.predict(PICTURES.astype(np.float32))


def test_for_a_fusion_of_steps_all_steps_are_the_embedding(tmp_path: Path) -> None:
    run = write_run(tmp_path, ALL, "tokens")
    model = TextModel.load(run)
    assert model.gives == "tokens"
    said = model.predict("happy door")
    (tokens,) = preparation("text")(Utterance("happy door"))
    p, _ = weights("text")
    assert said.embedding is not None
    np.testing.assert_allclose(said.embedding, tokens[:, None] * p, atol=1e-5)


def test_shipped_and_exported_models_are_of_one_class(run: Path) -> None:
    for modality in ALL:
        shipped, own = load_encoder(modality, None), load_encoder(modality, run)
        assert type(shipped) is type(own)
        assert "mask" in own.engine.inputs
        assert "mask" not in shipped.engine.inputs


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("text", {"input": "words"}, "input must be a table"),
        ("text", {"input": {"kind": "thoughts"}}, "no preparation 'thoughts'"),
        ("text", {"input": {**preparation("text").settings(), "past": -1}}, "past is -1"),
        ("speech", {"min_s": "long"}, "min_s"),
        ("speech", {"input": {"kind": "log-mel", "bins": 64, "floor_db": 55.0, "longest_s": 9.0}},
         "takes"),
        ("face", {"input": {**preparation("face").settings(), "count": 0}}, "count is 0"),
        ("face", {"input": preparation("speech").settings()}, "'mfcc' is not of face"),
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_is_told(
    tmp_path: Path, name: str, settings: dict[str, object], told: str
) -> None:
    run = write_run(tmp_path, (name,))
    edit(run, name, **settings)
    with pytest.raises(MmerError, match=told):
        load_encoder(name, run)


def test_files_that_are_missing_or_damaged_are_told(tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "text"))
    (run / "words-tokenizer.json").unlink()
    with pytest.raises(MmerError, match=r"words-tokenizer\.json is missing"):
        TextModel.load(run)
    (run / "speech.onnx").write_bytes(b"no network")
    with pytest.raises(MmerError, match="damaged"):
        SpeechModel.load(run)


def test_cards_of_before_an_input_was_named_open_as_they_did(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 256, (48, 48, 3), np.uint8)
    for path in weights_dir().iterdir():
        if path.suffix in (".json", ".onnx"):
            shutil.copy(path, tmp_path)
    older: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
        "text": (
            {
                key: value
                for key, value in load_card(weights_dir() / "text.json").preprocessing[
                    "input"
                ].items()
                if key != "kind"
            },
            ("Well, that went fine.", ("no",), "bare"),
        ),
        "face": (
            {"size": 48, "colour": "grey", "left_eye": [0.315, 0.4], "right_eye": [0.685, 0.4],
             "usable_below": 0.75},
            (crop,),
        ),
    }  # fmt: skip
    for name, (preprocessing, raw) in older.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"preprocessing": preprocessing}))
        ours, theirs = load_encoder(name, tmp_path, "cpu"), load_encoder(name, None, "cpu")
        assert ours.preparation.settings() == theirs.preparation.settings()
        assert (ours.predict(*raw).log_probs == theirs.predict(*raw).log_probs).all()
    speech = load_card(weights_dir() / "speech.json")
    table = {
        "sample_rate_hz": 16000,
        "logmel": {"bins": 64, "window_s": 0.025, "shift_s": 0.01, "low_hz": 50.0,
                   "high_hz": 7600.0, "floor_db": 55.0},
        "min_s": 0.5,
        "max_s": 6.0,
    }  # fmt: skip
    older_speech = preparation_of(replace(speech, preprocessing=table), tmp_path)
    assert older_speech == LogMelSegment()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"preprocessing": {}}))
    with pytest.raises(MmerError, match=r"lacks 'size'.*train it again"):
        load_encoder("face", tmp_path)
