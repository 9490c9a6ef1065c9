"""Pseudo-sequences: a face crop that talks, moves a little and is filmed, made of one image.

A mouth is warped with an envelope of syllables and pauses, whatever the expression, so that its
movement is no evidence of one. Stands in for labelled video, of which none may be trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TalkingChanges:
    """Ranges and probabilities; sizes are shares of the crop's side."""

    talking: float = 0.75
    """Probability that the mouth moves."""
    mouth: tuple[float, float] = (0.5, 0.79)
    """Its middle, x and y, in a crop with the eyes at a height of 0.4."""
    opening: float = 1.1
    """Logarithm of the largest stretch of the mouth's height."""
    jaw: float = 0.09
    turn_deg: float = 4.0
    scale: float = 0.07
    shift_px: float = 1.0
    jitter_px: float = 0.25
    """Deviation of the alignment's steps from frame to frame."""
    gamma: float = 0.4
    blur_probability: float = 0.25
    small_probability: float = 0.25
    jpeg_probability: float = 0.6
    noise: float = 5.0


def syllables(rng: np.random.Generator, frames: int, step_s: float) -> NDArray[np.float64]:
    """Opening of a mouth in time (T,), about -1 to 1: 2 to 6 syllables a second, with pauses."""
    t = np.arange(frames) * step_s
    hz = rng.uniform(2.0, 6.0)
    slow = np.sin(2 * np.pi * (0.7 * hz * t + rng.random()))
    wave = np.sin(2 * np.pi * (hz * t + rng.random()) + 1.5 * slow)
    wave = (wave + 0.5 * np.sin(2 * np.pi * (1.7 * hz * t + rng.random()))) / 1.5
    phrase = np.sin(2 * np.pi * (rng.uniform(0.3, 1.0) * t + rng.random()))
    speaks = (phrase > rng.uniform(-1.0, 0.3)).astype(float)
    return np.asarray(wave * np.convolve(speaks, np.full(3, 1 / 3))[1:-1])


def talking(
    image: NDArray[np.uint8],
    rng: np.random.Generator,
    by: TalkingChanges,
    frames: int,
    step_s: float,
) -> NDArray[np.uint8]:
    """Frames (T, S, S) of a grey crop (S, S), ``step_s`` apart."""
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    amount = rng.uniform(0.3, 1.0) * (rng.random() < by.talking)
    opening = amount * syllables(rng, frames, step_s)
    width = amount * syllables(rng, frames, step_s)
    steps = rng.normal(0.0, by.jitter_px, (frames, 4)).cumsum(axis=0)
    turn, scale = rng.normal(0.0, by.turn_deg), 1 + rng.uniform(-by.scale, by.scale)
    shift = rng.normal(0.0, by.shift_px, 2)
    film = _film(rng, by, image.shape[0])
    out = []
    for opened, wide, (dx, dy, turned, nearer) in zip(opening, width, steps, strict=True):
        mouth_x, mouth_y = _mouth(image.shape[0], by, float(opened), float(wide))
        back = cv2.getRotationMatrix2D(
            ((image.shape[0] - 1) / 2,) * 2, turn + turned, scale * (1 + 0.01 * nearer)
        )
        back[:, 2] += shift + np.array([dx, dy])
        moved = cv2.remap(
            image, mouth_x, mouth_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        moved *= _gap(image.shape[0], by, float(opened))
        side = image.shape[:2]
        placed = cv2.warpAffine(moved, back, side, borderMode=cv2.BORDER_REPLICATE)
        out.append(film(np.asarray(placed)))
    return np.stack(out)


def _grid(side: int, by: TalkingChanges) -> tuple[NDArray[np.float32], ...]:
    """Rows and columns of the pixels, and their distance from the mouth's middle."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    return y, x, y - (by.mouth[1] * side - 0.5), x - (by.mouth[0] * side - 0.5)


def _mouth(
    side: int, by: TalkingChanges, opened: float, wide: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel comes from, x and y (S, S), as the mouth opens and widens."""
    y, x, down, right = _grid(side, by)
    across = right / (0.17 * side)
    near = np.exp(-0.5 * ((down / (0.11 * side)) ** 2 + across**2))
    tall, broad = np.exp(by.opening * opened), np.exp(0.35 * wide)
    below = 1 / (1 + np.exp(-down / (0.04 * side))) * np.exp(-0.5 * (across / 1.8) ** 2)
    source_y = y + near * down * (1 / tall - 1) - max(0.0, opened) * by.jaw * side * below
    source_x = x + near * right * (1 / broad - 1)
    return source_x.astype(np.float32), source_y.astype(np.float32)


def _gap(side: int, by: TalkingChanges, opened: float) -> NDArray[np.float32]:
    """Light left in each pixel (S, S): an open mouth is dark inside."""
    if opened < 0.15:
        return np.ones((side, side), np.float32)
    _, _, down, right = _grid(side, by)
    inside = ((down - 0.03 * side * opened) / max(0.6, 0.065 * side * opened)) ** 2
    inside = np.exp(-0.5 * (inside + (right / (0.11 * side)) ** 2))
    return np.asarray(1 - 0.75 * min(1.0, 1.5 * opened) * inside, np.float32)


def _film(
    rng: np.random.Generator, by: TalkingChanges, side: int
) -> Callable[[NDArray[np.float32]], NDArray[np.uint8]]:
    """What a camera and its compression do to every frame of a sequence: float to uint8 (S, S)."""
    exponent = np.exp(rng.uniform(-by.gamma, by.gamma))
    blur = rng.uniform(0.4, 1.2) if rng.random() < by.blur_probability else 0.0
    small = rng.uniform(0.45, 0.9) if rng.random() < by.small_probability else 1.0
    jpeg = int(rng.integers(25, 90)) if rng.random() < by.jpeg_probability else 0
    noise = rng.uniform(0.0, by.noise)

    def frame(image: NDArray[np.float32]) -> NDArray[np.uint8]:
        if blur:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur))
        if small < 1:
            shrunk = (round(side * small),) * 2
            image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA))
            image = np.asarray(cv2.resize(image, (side, side)))
        out = 255 * (np.clip(image, 0, 255) / 255) ** exponent
        out = out + noise * rng.standard_normal(out.shape)
        made = np.clip(out, 0, 255).astype(np.uint8)
        if jpeg:
            _, packed = cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, jpeg])
            made = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
        return np.asarray(made, np.uint8)

    return frame
