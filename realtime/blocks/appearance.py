"""Appearance of a face: whether two pictures, seconds apart, are of the same person.

Colours of head and neck, and the aligned face in coarse grey. The emotion network's embedding is
not used: it is trained to be the same for everybody, and tells people apart worse than either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.blocks.face_detector import DetectedFace

_BINS: Final = (6, 8, 8)  # of L, a, b
_RANGES: Final = (0.0, 256.0, 64.0, 192.0, 64.0, 192.0)
_SIDE: Final = 16
_COLOURS_APART: Final = 0.06  # Bhattacharyya distance at which colours say "another person"
_GREYS_APART: Final = 0.6  # one minus correlation, the same
_LEARN: Final = 0.1


@dataclass(frozen=True, eq=False)
class Appearance:
    """Square roots of a colour histogram, (384,), and a standardised grey face, (256,)."""

    colours: NDArray[np.float32]
    grey: NDArray[np.float32]

    def distance(self, other: Appearance) -> float:
        """0 for the same picture; from about 1 on, another person; 2 at most."""
        colours = 1.0 - float(self.colours @ other.colours)
        grey = 1.0 - float(self.grey @ other.grey) / len(self.grey)
        return 0.5 * (min(2.0, colours / _COLOURS_APART) + min(2.0, grey / _GREYS_APART))

    def updated(self, newer: Appearance) -> Appearance:
        """Moved a little towards a newer picture: light and pose change."""
        mixed = self.colours**2 * (1 - _LEARN) + newer.colours**2 * _LEARN
        grey = _standardised(self.grey * (1 - _LEARN) + newer.grey * _LEARN)
        return Appearance(np.sqrt(mixed), grey)


def appearance_of(
    image: NDArray[np.uint8], face: DetectedFace, crop: NDArray[np.uint8]
) -> Appearance:
    """Appearance of ``face`` in ``image``, uint8 (H, W, 3) BGR; ``crop`` is it, aligned."""
    import cv2

    x, y, w, h = face.box
    low = np.round([max(0.0, x), max(0.0, y - 0.25 * h)]).astype(int)
    high = np.round([x + w, y + 1.15 * h]).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    if part.size == 0:
        part = crop
    if part.shape[0] > 64:
        part = np.asarray(cv2.resize(part, (48, 64), interpolation=cv2.INTER_AREA), np.uint8)
    lab = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_BGR2LAB)
    counts = np.asarray(
        cv2.calcHist([lab], [0, 1, 2], None, list(_BINS), list(_RANGES)), np.float32
    )
    # neighbouring bins share: a little more light must not make a stranger
    soft = counts.copy()
    for axis in range(3):
        rolled = np.zeros_like(soft)
        before, after = [slice(None)] * 3, [slice(None)] * 3
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        rolled[tuple(after)] += soft[tuple(before)]
        rolled[tuple(before)] += soft[tuple(after)]
        soft = soft + 0.5 * rolled
    shares = soft.ravel() / max(float(soft.sum()), 1e-6)
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Appearance(np.sqrt(shares).astype(np.float32), _standardised(small.ravel()))


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = max(float(values.std()), 1e-3)
    return np.asarray((values - values.mean()) / spread, np.float32)
