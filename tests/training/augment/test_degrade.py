"""Degraded sounds and faces: as far from the original as was asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmer.models.preparation.face_crop import CropGeometry
from mmer.training.augment import degrade

RNG = np.random.default_rng(0)


def picture(level: float, contrast: float, blur: float) -> np.ndarray:
    image = np.clip(RNG.normal(level, contrast, (48, 48)), 0, 255).astype(np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3.0) if blur else image
    return cv2.addWeighted(image, 1 - blur, cv2.GaussianBlur(image, (0, 0), 2.0), blur, 0)


def test_a_poor_face_has_no_quality_at_all() -> None:
    assert degrade.face_quality(picture(120.0, 60.0, 0.0), 30.0) > 0.5
    assert degrade.face_quality(picture(15.0, 60.0, 1.0), 7.0) == 0.0


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
