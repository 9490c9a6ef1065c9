"""Image resizing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shorter_side(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(H, W, 3) shrunk, without aliasing, until its shorter side is ``size``; small ones stay."""
    import cv2

    height, width = image.shape[:2]
    scale = size / min(height, width)
    if scale >= 1:
        return image
    new = (max(size, round(width * scale)), max(size, round(height * scale)))
    return np.asarray(cv2.resize(image, new, interpolation=cv2.INTER_AREA), np.uint8)
