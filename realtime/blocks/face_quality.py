"""How much a face crop can tell: a number in 0..1, and the reason when it is low.

The number is the product of factors, each 1 when good enough and falling to 0; a product, since
one fault is enough to make a face unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mmer.models.preparation.face_crop import CropGeometry, similarity

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
    - ``inside``: share of the crop that lies in the picture, 0 at 0.4, 1 from 0.8.
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
        return float(np.prod([getattr(self, f.name) for f in fields(self)]))

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

    ``eyes`` (2, 2) and ``nose`` are pixels of the picture that the crop is from, ``score`` the
    detector's, ``inside`` the share of the crop that lies in the picture. Pure: no state.
    """
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    if len(grey) != 48:
        grey = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA)
    luma = np.asarray(grey, np.float32)
    # The middle of the crop: its rim is hair and background.
    face = luma[8:44, 8:40]
    detail = float(cv2.Laplacian(luma, cv2.CV_32F)[8:44, 8:40].var() / max(face.var(), 1.0))
    line = (eyes[1] - eyes[0]).astype(np.float64)
    distance = float(np.hypot(*line))
    frontal = _ramp(abs(float(np.degrees(np.arctan2(line[1], line[0])))), 75, 25)
    if nose is not None and distance > 0:
        offset = float(np.dot(np.subtract(nose, eyes.mean(axis=0)), line)) / distance**2
        frontal *= _ramp(abs(offset), 0.6, 0.2)
    return FaceQuality(
        size=_ramp(distance, 6, 20),
        brightness=_ramp(float(face.mean()), 12, 40),
        contrast=_ramp(float(face.std()), 4, 14) * _ramp(float((face < 250).mean()), 0.4, 0.85),
        sharpness=_ramp(detail, 0.02, 0.15),
        frontal=frontal,
        inside=_ramp(inside, 0.4, 0.8),
        detection=_ramp(score, 0.2, 0.7),
    )


def share_inside(
    eyes: NDArray[np.float32], geometry: CropGeometry, height: int, width: int
) -> float:
    """The share (0..1) of the crop for these eyes that lies in a picture of height x width."""
    back = similarity(geometry.eyes(), eyes)
    step = (np.arange(16) + 0.5) * geometry.size / 16 - 0.5
    grid = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    x, y = (grid @ back[:, :2].T + back[:, 2]).T
    return float(((x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)).mean())


def _ramp(value: float, zero: float, one: float) -> float:
    """0 at ``zero``, 1 at ``one``, straight between, level beyond."""
    return float(np.clip((value - zero) / (one - zero), 0.0, 1.0))
