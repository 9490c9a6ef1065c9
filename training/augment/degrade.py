"""Degraded sounds and faces for a fusion to learn from, and the quality of such a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.quality import MIN_FACE_QUALITY, FaceQuality, crop_factors
from mmer.training.augment import recording
from mmer.training.augment.recording import limited


def face_quality(grey: NDArray[np.uint8], eyes_px: float) -> float:
    """As ``quality.assess`` and the face block, of a face uint8 (48, 48) found for certain.

    It is frontal and whole; 0 where it is too poor to be evaluated.
    """
    factors = crop_factors(grey, eyes_px)
    quality = FaceQuality(**factors, frontal=1.0, inside=1.0, detection=1.0).value
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
