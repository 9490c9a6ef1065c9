"""Input quality of speech, text and face, 0 to 1: the same live and in training.

Each is a product of factors, 1 where good enough and falling to 0; a product, since one fault is
enough to make an input useless.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry, similarity
from mmer.models.preparation.logmel import SAMPLE_RATE

CLIPPED: Final = 32_700
"""A sample of at least this magnitude counts as clipped."""
FULL_WORDS: Final = 4
"""From so many words on, length takes nothing from the quality of a text."""
MIN_FACE_QUALITY: Final = 0.1
"""Below it a face is too poor to be evaluated."""


@dataclass(frozen=True)
class SpeechLimits:
    """Where the factors of speech quality are 0 and 1."""

    full_s: float = 2.0  # from this length on, duration takes nothing from the quality
    silent_dbfs: float = -60.0  # at or below this level there is nothing to evaluate
    loud_dbfs: float = -40.0  # from this level on, level takes nothing from the quality
    clipped_share: float = 0.05  # this share of clipped samples leaves a fifth of the quality

    def __post_init__(self) -> None:
        if self.full_s <= 0 or self.clipped_share <= 0:
            raise MmerError(
                f"full_s and clipped_share must be above 0, got {self.full_s}, {self.clipped_share}"
            )
        if self.silent_dbfs >= self.loud_dbfs:
            raise MmerError(
                f"silent_dbfs ({self.silent_dbfs}) must be below loud_dbfs ({self.loud_dbfs})"
            )


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Root mean square of int16 (n,) in dB below full scale; -inf for no sound or zeros."""
    if len(samples) == 0:
        return float("-inf")
    mean_square = float(np.mean(np.square(samples, dtype=np.float64)))
    return float("-inf") if mean_square == 0 else float(10 * np.log10(mean_square / 32_768.0**2))


def speech_quality(samples: NDArray[np.int16], limits: SpeechLimits) -> float:
    """How well int16 (n,) at 16 kHz can be evaluated: a product of three factors.

    - duration: seconds over ``full_s``, at most 1 (half a second shows little);
    - level: linear in dBFS from 0 at ``silent_dbfs`` to 1 at ``loud_dbfs``;
    - clipping: linear from 1 with no clipped sample to 0.2 at ``clipped_share`` and beyond.
    """
    if len(samples) == 0:
        return 0.0
    span_db = limits.loud_dbfs - limits.silent_dbfs
    level = min(1.0, max(0.0, (level_dbfs(samples) - limits.silent_dbfs) / span_db))
    # compared on both sides: the magnitude of -32768 does not fit into int16
    clipped = float(np.mean((samples >= CLIPPED) | (samples <= -CLIPPED)))
    clipping = 1.0 - 0.8 * min(1.0, clipped / limits.clipped_share)
    duration = min(1.0, len(samples) / SAMPLE_RATE / limits.full_s)
    return duration * level * clipping


def text_quality(
    text: str, trust: float, confidence: float | None = None, full_words: int = FULL_WORDS
) -> float:
    """How reliable a recognized text is: a product of three factors.

    - ``trust`` in the recognizer, 0..1;
    - its ``confidence`` in the whole, where it has one;
    - length: (1 + words) / (1 + ``full_words``), at most 1 (a single word shows less).
    """
    words = len(text.split())
    if words == 0:
        return 0.0
    confidence = 1.0 if confidence is None else min(1.0, max(0.0, confidence))
    return trust * confidence * min(1.0, (1 + words) / (1 + full_words))


_POOR = 0.5  # a factor below this is named as the reason


@dataclass(frozen=True)
class FaceQuality:
    """The factors, each 0..1; of two at fault alike, the first is named.

    - ``size``: from the distance of the eyes, 0 at 6 pixels, 1 from 20 (a 48 pixel crop's own).
    - ``brightness``: mean luma, 0 at 12, 1 from 40.
    - ``contrast``: deviation of luma (0 at 4, 1 from 14) times the share of pixels that are not
      blown out (0 at 0.4, 1 from 0.85).
    - ``sharpness``: variance of the Laplacian over the variance of the crop, the share of detail
      (Pech-Pacheco et al. 2000, freed of contrast), at 48 pixels; 0 at 0.02, 1 from 0.15.
    - ``frontal``: offset of the nose from the middle of the eyes, along their line and over their
      distance (1 up to 0.2, 0 at 0.6), and tilt of that line (1 up to 25 degrees, 0 at 75),
      multiplied. Without a nose the tilt alone.
    - ``inside``: share of the crop that lies in the frame, 0 at 0.4, 1 from 0.8.
    - ``detection``: the detector's score, 0 at 0.2, 1 from 0.7.
    """

    size: float
    brightness: float
    contrast: float
    sharpness: float
    frontal: float
    inside: float
    detection: float

    @property
    def value(self) -> float:
        """The product of the factors, 0..1."""
        return float(math.prod(getattr(self, f.name) for f in fields(self)))

    @property
    def why(self) -> str:
        """What is most at fault, or "" when nothing is."""
        name, worst = min(
            ((f.name, getattr(self, f.name)) for f in fields(self)), key=lambda item: item[1]
        )
        return _FAULTS[name] if worst < _POOR else ""


_FAULTS = {
    "size": "too small",
    "brightness": "too dark",
    "contrast": "washed out",
    "sharpness": "blurred",
    "frontal": "turned away",
    "inside": "cut off",
    "detection": "unsure face",
}


def assess(
    crop: NDArray[np.uint8],
    eyes: NDArray[np.float32],
    nose: tuple[float, float] | None,
    score: float,
    inside: float = 1.0,
) -> FaceQuality:
    """The quality of an aligned ``crop``, uint8 (S, S, 3) BGR.

    ``eyes`` (2, 2) and ``nose`` are pixels of the frame that the crop is from, ``score`` the
    detector's, ``inside`` the share of the crop that lies in the frame. Pure: no state.
    """
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    if len(grey) != 48:
        grey = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA)
    line = (eyes[1] - eyes[0]).astype(np.float64)
    distance = float(np.hypot(*line))
    frontal = _ramp(abs(float(np.degrees(np.arctan2(line[1], line[0])))), 75, 25)
    if nose is not None and distance > 0:
        offset = float(np.dot(np.subtract(nose, eyes.mean(axis=0)), line)) / distance**2
        frontal *= _ramp(abs(offset), 0.6, 0.2)
    return FaceQuality(
        **crop_factors(np.asarray(grey, np.uint8), distance),
        frontal=frontal,
        inside=_ramp(inside, 0.4, 0.8),
        detection=_ramp(score, 0.2, 0.7),
    )


def crop_factors(grey: NDArray[np.uint8], eyes_px: float) -> dict[str, float]:
    """The factors that a crop itself shows, uint8 (48, 48), its eyes ``eyes_px`` pixels apart."""
    import cv2

    luma = np.asarray(grey, np.float32)
    # The middle of the crop: its rim is hair and background.
    face = luma[8:44, 8:40]
    detail = float(cv2.Laplacian(luma, cv2.CV_32F)[8:44, 8:40].var() / max(face.var(), 1.0))
    return {
        "size": _ramp(eyes_px, 6, 20),
        "brightness": _ramp(float(face.mean()), 12, 40),
        "contrast": _ramp(float(face.std()), 4, 14) * _ramp(float((face < 250).mean()), 0.4, 0.85),
        "sharpness": _ramp(detail, 0.02, 0.15),
    }


def share_inside(
    eyes: NDArray[np.float32], geometry: CropGeometry, height: int, width: int
) -> float:
    """The share (0..1) of the crop for these eyes that lies in a frame of height x width."""
    back = similarity(geometry.eyes(), eyes)
    step = (np.arange(16) + 0.5) * geometry.size / 16 - 0.5
    # all of it lies inside where its corners do
    corners = np.array([(x, y, 1.0) for x in step[[0, -1]] for y in step[[0, -1]]]) @ back.T
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    if left >= -0.5 and top >= -0.5 and right < width - 0.5 and bottom < height - 0.5:
        return 1.0
    grid = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    x, y = (grid @ back[:, :2].T + back[:, 2]).T
    return float(((x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)).mean())


def _ramp(value: float, zero: float, one: float) -> float:
    """0 at ``zero``, 1 at ``one``, straight between, level beyond."""
    share = (value - zero) / (one - zero)
    return 0.0 if share <= 0.0 else 1.0 if share >= 1.0 else share  # NumPy's clip takes ten times
