"""Coarse image: whether a face has changed enough to be worth looking at again."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

CELLS: Final = 16
"""A side. An image whose sides are multiples of it is averaged four times as fast."""
_LEAST_DEVIATION: Final = 8.0  # grey values; what is flatter changes by noise alone


class CoarseImage:
    """Mean grey values of an image's ``CELLS`` x ``CELLS`` cells; noise is averaged away.

    ``image`` is uint8 (H, W, 3) BGR or (H, W), of at least one pixel.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        import cv2

        small = cv2.resize(image, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) if small.ndim == 3 else small
        self._cells: NDArray[np.float32] = grey.ravel().astype(np.float32)

    def change(self, before: CoarseImage) -> float:
        """Difference to an earlier image: root mean square, in that one's standard deviations."""
        difference = self._cells - before._cells  # whole numbers: their sum of squares is exact
        return math.sqrt(float(difference @ difference) / len(difference)) / before._deviation

    @cached_property
    def _deviation(self) -> float:
        return max(float(self._cells.std()), _LEAST_DEVIATION)
