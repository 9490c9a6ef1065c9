"""A fusion is trained on the qualities that the live blocks assign; an old cache is not used."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from generated_corpora import write_wav

pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.encoder import FaceModel, SpeechModel
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.prediction import Prediction
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.quality import MIN_FACE_QUALITY, assess
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.face_encoder import FaceEncoder
from mmer.realtime.blocks.speech_encoder import SpeechEncoder
from mmer.realtime.messages import Evidence, FaceObservation, SpeechState, SpeechUpdate
from mmer.training.augment.degrade import face_quality, far_dark_blurred
from mmer.training.tasks import fusion_outputs
from mmer.training.tasks.fusion_outputs import FACE_STATES, SPEECH_STATES, noise_files

RATE = 16_000
LOGS = np.full(7, -np.log(7), np.float32)


@dataclass
class FakeSpeech:
    usable: float = 1.0
    min_s: float = 0.5
    sounds: list[np.ndarray] = field(default_factory=list)

    def growing(self) -> None:
        return None

    def predict(self, samples: np.ndarray, begin: int = 0, prepare: None = None) -> Prediction:
        self.sounds.append(samples)
        return Prediction(LOGS, None, self.usable)


@dataclass
class FakeFace:
    usable: float = 0.9
    usable_below: float = 0.5
    geometry: CropGeometry = field(default_factory=CropGeometry)
    crops: list[np.ndarray] = field(default_factory=list)

    def predict(self, crop: np.ndarray) -> Prediction:
        self.crops.append(crop)
        return Prediction(LOGS, None, self.usable)


def live_quality(block: SpeechEncoder | FaceEncoder, message: Any) -> float:
    """Quality of the block's evidence; 0 where it is missing."""
    (out,) = run(block, [message])
    return out.quality if isinstance(out, Evidence) else 0.0


@pytest.fixture(scope="module")
def data(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated corpora with soft, loud, clipped and very short clips, and a held-out noise."""
    root = tmp_path_factory.mktemp("fusion") / "data"
    shutil.copytree(corpora, root)
    rng = np.random.default_rng(0)
    actor = root / "audio/ravdess/Actor_17"
    for repetition, (seconds, level) in enumerate(
        ((3.0, 60.0), (3.0, 9000.0), (3.0, 60_000.0), (0.2, 9000.0)), 2
    ):
        sound = np.clip(rng.normal(0, level, round(seconds * RATE)), -32_768, 32_767)
        write_wav(actor / f"03-01-05-01-01-{repetition:02}-17.wav", sound)
    write_wav(root / "audio/esc10/002 - Rain/5-10001-A.wav", rng.normal(0, 3000, 2 * RATE))
    return root


@pytest.mark.parametrize("usable", [1.0, 0.0])
def test_speech_has_the_quality_of_the_live_block(data: Path, usable: float) -> None:
    model = FakeSpeech(usable)
    made = cast("SpeechModel", model)
    found = list(fusion_outputs._speech(data, made, 50, noise_files(data)))
    qualities = [quality for *_, states in found for _, quality in states]
    sounds = list(model.sounds)
    assert len(qualities) == len(sounds) == len(found) * len(SPEECH_STATES)

    for sound, quality in zip(sounds, qualities, strict=True):
        t1 = len(sound) / RATE
        update = SpeechUpdate(1, 0.0, t1, SpeechState.ENDED, sound, t1)
        assert quality == live_quality(SpeechEncoder(made), update)
    if usable:
        # soft, clipped and too short ones are among them
        assert {0.0, 1.0} < set(qualities)
        assert any(
            0.0 < q < 1.0 and len(s) > 2 * RATE for q, s in zip(qualities, sounds, strict=True)
        )


@pytest.mark.parametrize("usable", [0.9, 0.3, 0.0])
def test_faces_have_the_quality_of_the_live_blocks(data: Path, usable: float) -> None:
    model = FakeFace(usable)
    made = cast("FaceModel", model)
    found = list(fusion_outputs._face(data, made, 50))
    qualities = np.array([[quality for _, quality in states] for *_, states in found])
    assert qualities.shape == (len(found), len(FACE_STATES))
    assert qualities.any() == (usable >= model.usable_below)

    for crop, quality, state in zip(
        list(model.crops), qualities.ravel(), FACE_STATES * len(found), strict=True
    ):
        if state != "far":  # how far is drawn
            assert quality == pytest.approx(live_face_quality(made, crop), abs=1e-6)


def live_face_quality(model: FaceModel, grey: np.ndarray, eyes_px: float | None = None) -> float:
    geometry = CropGeometry()
    left, right = geometry.eyes()
    right[0] = left[0] + (eyes_px or right[0] - left[0])
    eyes = np.array([left, right], np.float32)
    bgr = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    quality = assess(bgr, eyes, tuple(eyes.mean(axis=0)), score=1.0)
    seen = FaceObservation(0.0, 1, (0.0, 0.0, 9.0, 9.0), eyes, bgr, quality.value, quality.why)
    return live_quality(FaceEncoder(model), seen)


def test_a_degraded_face_has_every_factor_that_its_crop_shows() -> None:
    """Of all states, light, contrast and size included: as ``assess`` and the face block."""
    rng = np.random.default_rng(0)
    model = cast("FaceModel", FakeFace(1.0))
    qualities = []
    for contrast in (1.0, 5.0, 9.0, 40.0):
        smooth = cv2.GaussianBlur(rng.normal(0, 1, (48, 48)), (0, 0), 1.2)
        image = np.clip(128 + contrast * smooth / smooth.std(), 0, 255).astype(np.uint8)
        for degraded, eyes_px in far_dark_blurred(image, CropGeometry(), rng):
            quality = face_quality(degraded, eyes_px)
            assert quality == pytest.approx(live_face_quality(model, degraded, eyes_px), abs=1e-6)
            qualities.append(quality)
    assert min(qualities) == 0.0
    assert MIN_FACE_QUALITY < max(qualities) <= 1.0


def test_noise_is_of_the_fold_that_the_speech_network_does_not_know(data: Path) -> None:
    assert [path.name for path in noise_files(data)] == ["5-10001-A.wav"]


def test_without_that_fold_it_is_one_line(corpora: Path, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="begins with 5-"):
        noise_files(corpora)
    with pytest.raises(MmerError, match="esc10"):
        noise_files(tmp_path)


def test_an_entry_of_the_cache_is_of_all_that_the_outputs_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = load_card(weights_dir() / "face.json")

    def path(**changed: Any) -> Path | None:
        made = {"per_class": 20, "card": card, "states": FACE_STATES, "noise": ()} | changed
        return fusion_outputs._path(tmp_path, **made)

    others = [
        path(per_class=21),
        path(card=replace(card, sha256="0" * 64)),
        path(card=replace(card, temperature=card.temperature + 0.01)),
        path(card=replace(card, preprocessing={**card.preprocessing, "usable_below": 0.7})),
        path(card=replace(card, preprocessing={**card.preprocessing, "input": {}})),
        path(states=FACE_STATES[:-1]),
        path(noise=[Path("5-1.opus")]),
        path(noise=[Path("5-2.opus")]),
    ]
    usual = path()
    assert usual == path()
    monkeypatch.setattr(fusion_outputs, "PREDICTED", 1)
    others.append(path())
    assert len({usual, *others}) == 1 + len(others)
    assert fusion_outputs._path(None, 20, card, FACE_STATES, ()) is None


def test_outputs_are_cached(tmp_path: Path) -> None:
    def predict() -> Any:
        yield EMOTIONS.index("joy"), "ravdess/17", 5, [(Prediction(LOGS, None), 0.5)]

    file = tmp_path / "outputs.npz"
    first = fusion_outputs._cached(file, ("whole",), predict)
    again = fusion_outputs._cached(file, ("whole",), lambda: pytest.fail("computed twice"))
    for found in (first, again):
        assert found.states == ("whole",)
        np.testing.assert_array_equal(found.quality, [[0.5]])
        np.testing.assert_array_equal(found.contents, np.array([5], np.uint64))
