"""What training calls a quality is what the live blocks give."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmer.models.preparation.face_crop import CropGeometry
from mmer.realtime.blocks.face_encoder import FaceEncoderConfig
from mmer.realtime.blocks.face_quality import assess
from mmer.realtime.blocks.speech_encoder import SpeechEncoderConfig
from mmer.realtime.blocks.speech_encoder import speech_quality as live_speech_quality
from mmer.realtime.blocks.text_encoder import TextEncoderConfig
from mmer.realtime.blocks.text_encoder import text_quality as live_text_quality
from mmer.realtime.messages import SAMPLE_RATE, Transcript
from mmer.training.augment import degrade

RNG = np.random.default_rng(0)


def picture(level: float, contrast: float, blur: float) -> np.ndarray:
    image = np.clip(RNG.normal(level, contrast, (48, 48)), 0, 255).astype(np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3.0) if blur else image
    return cv2.addWeighted(image, 1 - blur, cv2.GaussianBlur(image, (0, 0), 2.0), blur, 0)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.9, 2.0, 5.0])
def test_quality_of_a_voice(seconds: float) -> None:
    samples = (3000 * np.sin(np.arange(round(seconds * SAMPLE_RATE)))).astype(np.int16)
    live = live_speech_quality(samples, SpeechEncoderConfig())
    assert degrade.speech_quality(samples) == pytest.approx(live)


@pytest.mark.parametrize("text", ["", "no", "i am so happy", "one two three four five six"])
@pytest.mark.parametrize("trust", [0.7, 1.0])
def test_quality_of_words(text: str, trust: float) -> None:
    transcript = Transcript(1, 0.0, 1.0, text, False, "vosk")
    live = live_text_quality(transcript, TextEncoderConfig(trust=trust))
    assert degrade.text_quality(text, trust) == pytest.approx(live)


@pytest.mark.parametrize("level", [20.0, 35.0, 120.0])
@pytest.mark.parametrize("blur", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("eyes_px", [8.0, 14.0, 30.0])
def test_quality_of_a_face(level: float, blur: float, eyes_px: float) -> None:
    grey = picture(level, 60.0, blur)
    eyes = np.array([[0, 0], [eyes_px, 0]], np.float32)
    live = assess(np.repeat(grey[..., None], 3, axis=2), eyes, None, 1.0)
    expected = live.size * live.brightness * live.sharpness  # nothing here spoils the others
    if expected < FaceEncoderConfig().min_quality:
        expected = 0.0
    assert degrade.face_quality(grey, eyes_px) == pytest.approx(expected, rel=1e-3)


def test_noise_has_the_level_that_was_asked() -> None:
    voice = (8000 * np.sin(np.arange(32_000) / 9)).astype(np.int16)
    noise = RNG.normal(0, 1, 20_000)
    for snr_db in (20.0, 10.0):
        mixed = degrade.in_noise(voice, noise, snr_db, np.random.default_rng(1))
        scale = (mixed @ voice.astype(float)) / (voice @ voice.astype(float))
        rest = mixed / scale - voice
        found = 10 * np.log10(np.mean(voice.astype(float) ** 2) / np.mean(rest**2))
        assert found == pytest.approx(snr_db, abs=0.5)
    loud = degrade.in_noise(voice, noise, -20.0, np.random.default_rng(1))
    assert np.abs(loud.astype(int)).max() <= 32_000


def test_spoilt_pictures_are_worse_and_the_eyes_tell_how_far_the_face_is() -> None:
    image = picture(120.0, 50.0, 0.3)
    geometry = CropGeometry(48, (0.3, 0.4), (0.7, 0.4))
    states = degrade.far_dark_blurred(image, geometry, np.random.default_rng(2))
    (plain, eyes), (far, far_eyes), (dark, _), (blurred, _) = states
    assert np.array_equal(plain, image)
    assert eyes == pytest.approx(0.4 * 48)
    assert 0.35 * eyes < far_eyes < 0.85 * eyes
    assert dark.mean() < 0.5 * image.mean()
    assert blurred.std() < image.std()
    assert far.std() < image.std()
    assert all(picture.shape == (48, 48) and picture.dtype == np.uint8 for picture, _ in states)
