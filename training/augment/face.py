"""Augmentation of face crops that preserves the expression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class FaceChanges:
    """Ranges and probabilities of the augmentation of a face crop."""

    turn_deg: float = 14.0
    scale: float = 0.12
    stretch: float = 0.1
    """Largest relative change of width against height."""
    shear: float = 0.1
    keystone: float = 0.2
    """Largest shrinking of one side against the other, as of a head turned or lifted."""
    gamma: float = 0.5
    """Largest logarithm of the exponent of brightness."""
    shade_probability: float = 0.15
    """Light from one side."""
    blur_probability: float = 0.25
    blur: float = 2.2
    """Largest standard deviation of a blur, in pixels of a 48 pixel crop."""
    coarsest: float = 0.3
    """A face far from the camera: the smallest side, as a share, that a crop was enlarged from."""
    noise: float = 8.0
    """Largest standard deviation of added noise, in grey levels."""
    erase_probability: float = 0.3
    cover_probability: float = 0.06
    """Probability that a half of the face is covered."""


def change_face(
    image: np.ndarray, rng: np.random.Generator, by: FaceChanges, side: int
) -> np.ndarray:
    """Flip, turn, stretch, tilt, blur, light and cover a grey crop, uint8 (S, S).

    Returns a window of ``side`` pixels at a random place: float32 (side, side), 0..255.
    """
    out = cv2.warpPerspective(
        image, _tilt(rng, by, image.shape[0], side), (side, side), borderMode=cv2.BORDER_REPLICATE
    )
    if rng.random() < by.blur_probability:
        out = _soften(out, rng, by)
    return _cover(_light(out, rng, by), rng, by)


def _tilt(rng: np.random.Generator, by: FaceChanges, size: int, side: int) -> np.ndarray:
    """The homography (3, 3) from a crop of ``size`` to a window of ``side``."""
    turn = np.radians(rng.uniform(-by.turn_deg, by.turn_deg))
    if rng.random() < 0.15:
        turn *= 2
    scale = 1 + rng.uniform(-by.scale, by.scale)
    stretch = 1 + rng.uniform(-by.stretch, by.stretch)
    if rng.random() < 0.5:
        stretch = -stretch  # the mirror image
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ [[1, rng.uniform(-by.shear, by.shear)], [0, 1]]
    matrix[:, 0] *= stretch
    spare = (size - side) / 2
    shift = (side - 1) / 2 + rng.uniform(-spare, spare, 2)
    warp = np.eye(3)
    warp[:2, :2] = matrix
    warp[2, :2] = rng.uniform(-by.keystone, by.keystone, 2) / size
    move = np.eye(3)
    move[:2, 2] = -(size - 1) / 2
    back = np.eye(3)
    back[:2, 2] = shift
    return np.asarray(back @ warp @ move)


def _soften(image: np.ndarray, rng: np.random.Generator, by: FaceChanges) -> np.ndarray:
    """Out of focus, or too far away."""
    side = image.shape[0]
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, by.blur)))
    small = max(4, round(side * rng.uniform(by.coarsest, 0.9)))
    image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR))


def _light(image: np.ndarray, rng: np.random.Generator, by: FaceChanges) -> np.ndarray:
    """Another exposure, light from one side, the noise of a sensor; float32."""
    side = image.shape[0]
    out = (image.astype(np.float32) / 255) ** np.exp(rng.uniform(-by.gamma, by.gamma)) * 255
    if rng.random() < by.shade_probability:
        ramp = np.linspace(rng.uniform(0.2, 0.8), 1, side, dtype=np.float32)
        ramp = ramp[:: rng.choice([-1, 1])]
        out *= ramp if rng.random() < 0.7 else ramp[:, None]
    out += rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(0, by.noise))
    return np.asarray(out)


def _cover(out: np.ndarray, rng: np.random.Generator, by: FaceChanges) -> np.ndarray:
    """Hide a small part, or a half; clipped to 0..255."""
    side = out.shape[0]
    if rng.random() < by.erase_probability:
        height, width = rng.integers(side // 8, side // 3, 2)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        out[top : top + height, left : left + width] = rng.uniform(0, 255)
    if rng.random() < by.cover_probability:
        edge = int(side * rng.uniform(0.35, 0.55))
        hidden = (slice(edge), slice(-edge, None))[rng.integers(2)]
        grey = rng.uniform(0, 255)
        if rng.random() < 0.5:
            out[:, hidden] = grey
        else:
            out[hidden] = grey
    return np.asarray(np.clip(out, 0, 255), dtype=np.float32)
