"""Models of a run: what goes into the network, and what comes out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from run_folders import BANDS, COUNT, SIDE, edit, preparation, weights, write_run

from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.models.loading import load_face, load_fusion, load_speech, load_text
from mmer.models.preparation.preparation import Said
from mmer.models.prepared import PreparedFace, PreparedSpeech, PreparedText
from mmer.models.run_fusion import RunFusion

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


def test_the_voice_is_prepared_judged_and_calibrated(run: Path) -> None:
    model = load_speech(run, "cpu")
    assert isinstance(model, PreparedSpeech)
    said = model.predict(noise(1.0))
    (mfcc,) = preparation("speech")(noise(1.0))
    logits, embedding = worked_out("speech", np.abs(mfcc))
    assert mfcc.shape[1] == BANDS
    np.testing.assert_allclose(said.log_probs, normalised(logits, 2.0), atol=1e-4)
    np.testing.assert_allclose(said.embedding, embedding, atol=1e-4)
    assert said.usable == 1.0


def test_of_the_voice_the_end_counts_and_too_little_is_told(run: Path) -> None:
    model = load_speech(run)
    long = noise(12.0)
    assert (model.predict(long).log_probs == model.predict(long[-160_000:]).log_probs).all()
    assert model.predict(noise(0.25)).usable == pytest.approx(0.5)
    for silence in (np.zeros(0, np.int16), np.zeros(16000, np.int16)):
        assert model.predict(silence).usable == 0.0
    with pytest.raises(ValueError, match="int16"):
        model.predict(noise(1.0).astype(np.float32))


def test_words_are_read_after_as_many_utterances_as_the_card_says(run: Path) -> None:
    model = load_text(run)
    assert isinstance(model, PreparedText)
    said = model.predict("Happy door", ["one two", "sad"])
    (tokens,) = preparation("text")(Said("happy door", ("sad",)))
    logits, embedding = worked_out("text", tokens[:, None].astype(np.float32))
    np.testing.assert_allclose(said.log_probs, normalised(logits), atol=1e-5)
    np.testing.assert_allclose(said.embedding, embedding, atol=1e-5)
    assert model.predict("  ").usable == 0.0


def test_pictures_are_judged_as_one_sequence_and_a_still_one_as_a_sequence_of_one(
    run: Path,
) -> None:
    model = load_face(run)
    assert isinstance(model, PreparedFace)
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
    model = load_text(run)
    assert isinstance(model, PreparedText)
    assert model.gives == "tokens"
    said = model.predict("happy door")
    (tokens,) = preparation("text")(Said("happy door"))
    p, _ = weights("text")
    assert said.embedding is not None
    np.testing.assert_allclose(said.embedding, tokens[:, None] * p, atol=1e-5)


def test_the_card_tells_which_kind_of_model_it_is_of(run: Path) -> None:
    assert isinstance(load_fusion(run), RunFusion)
    for load in (load_speech, load_text, load_face):
        shipped, named = load(None), load(weights_dir())
        assert type(shipped) is type(named)
        assert not isinstance(shipped, PreparedSpeech | PreparedText | PreparedFace)
    assert not isinstance(load_fusion(None), RunFusion)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("text", {"input": "words"}, "input must be a table"),
        ("text", {"input": {"kind": "thoughts"}}, "no preparation 'thoughts'"),
        ("text", {"past_utterances": -1}, "past_utterances"),
        ("speech", {"min_s": "long"}, "min_s"),
        ("speech", {"input": {"kind": "log-mel", "bins": 64, "floor_db": 55.0, "longest_s": 9.0}},
         "takes"),
        ("face", {"sees": "hands"}, "sees is 'hands'"),
        ("face", {"count": 0}, "count"),
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_is_told(
    tmp_path: Path, name: str, settings: dict[str, object], told: str
) -> None:
    run = write_run(tmp_path, (name,))
    edit(run, name, **settings)
    with pytest.raises(MmerError, match=told):
        {"speech": load_speech, "text": load_text, "face": load_face}[name](run)


def test_files_that_are_missing_or_damaged_are_told(tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "text"))
    (run / "words-tokenizer.json").unlink()
    with pytest.raises(MmerError, match=r"words-tokenizer\.json is missing"):
        load_text(run)
    (run / "speech.onnx").write_bytes(b"no network")
    with pytest.raises(MmerError, match="damaged"):
        load_speech(run)
