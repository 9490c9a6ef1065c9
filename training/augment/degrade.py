"""Sounds and pictures made worse for a fusion to learn from, and the quality they then have.

The qualities are those of the live blocks (``realtime.blocks``), as far as they depend on what is
spoilt here; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.training.augment import recording
from mmer.training.augment.recording import limited

FULL_S: Final = 2.0
"""From this length on, duration takes nothing from a voice's quality."""
FULL_WORDS: Final = 4
"""From so many words on, length takes nothing from the words' quality."""
EYES_PX: Final = (6.0, 20.0)
LUMA: Final = (12.0, 40.0)
SHARPNESS: Final = (0.02, 0.15)
"""Where a face's quality is 0 and from where it is 1, by each of its faults."""
MIN_FACE_QUALITY: Final = 0.1
"""Below it a picture of a face gives no evidence."""


def speech_quality(samples: NDArray[np.int16]) -> float:
    """Of a voice, int16 (n,), that is neither faint nor clipped."""
    return min(1.0, len(samples) / SAMPLE_RATE / FULL_S)


def text_quality(text: str, trust: float) -> float:
    """Of words from a recognizer that is believed as far as ``trust`` (0..1) says."""
    words = len(text.split())
    return trust * min(1.0, (1 + words) / (1 + FULL_WORDS)) if words else 0.0


def face_quality(grey: NDArray[np.uint8], eyes_px: float) -> float:
    """Of a frontal and whole face, uint8 (48, 48): its size, light and sharpness."""
    import cv2

    luma = np.asarray(grey, np.float32)
    middle = luma[8:44, 8:40]
    detail = float(cv2.Laplacian(luma, cv2.CV_32F)[8:44, 8:40].var() / max(middle.var(), 1.0))
    quality = 1.0
    for value, (zero, one) in (
        (eyes_px, EYES_PX),
        (float(middle.mean()), LUMA),
        (detail, SHARPNESS),
    ):
        quality *= float(np.clip((value - zero) / (one - zero), 0.0, 1.0))
    return quality if quality >= MIN_FACE_QUALITY else 0.0


def in_noise(
    samples: NDArray[np.int16],
    noise: NDArray[np.float64],
    snr_db: float,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """int16 (n,) with ``noise`` (m,), from a random place on, ``snr_db`` below its mean power."""
    rolled = np.roll(noise, -int(rng.integers(len(noise))))
    return limited(recording.in_noise(samples, rolled, snr_db), 32_000)


def far_dark_blurred(
    image: NDArray[np.uint8], geometry: CropGeometry, rng: np.random.Generator
) -> list[tuple[NDArray[np.uint8], float]]:
    """A grey crop (S, S) as it is, far from the camera, in the dark and out of focus.

    With each, how many pixels the eyes were apart in the picture that it was cut from.
    """
    import cv2

    size = len(image)
    (left_x, _), (right_x, _) = (geometry.left_eye, geometry.right_eye)
    eyes_px = (right_x - left_x) * size
    small = round(size * rng.uniform(0.4, 0.8))
    far = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    far = cv2.resize(far, (size, size), interpolation=cv2.INTER_LINEAR)
    shade = min(1.0, rng.uniform(15, 40) / max(1.0, float(image.mean())))
    dark = np.clip(image * shade + rng.normal(0, 2, image.shape), 0, 255)
    blurred = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 2.0))
    return [
        (image, eyes_px),
        (np.asarray(far, np.uint8), eyes_px * small / size),
        (np.asarray(dark, np.uint8), eyes_px),
        (np.asarray(blurred, np.uint8), eyes_px),
    ]
