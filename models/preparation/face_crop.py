"""Face alignment: a crop in which the eyes always lie in the same place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_OVERSAMPLING = 16


@dataclass(frozen=True)
class CropGeometry:
    """Where the eyes lie in a crop: part of a face network's preprocessing.

    ``size`` is the side of the square crop in pixels. Eye positions are x, y as fractions of the
    crop (0 is its left or upper edge, 1 its right or lower one); left and right as seen in the
    image, so ``left_eye`` is the person's right eye.
    """

    size: int = 48
    left_eye: tuple[float, float] = (0.31, 0.37)
    right_eye: tuple[float, float] = (0.69, 0.37)

    def __post_init__(self) -> None:
        if self.size < 1 or self.left_eye == self.right_eye:
            raise ValueError(f"a crop needs a size of 1 or more and two distinct eyes, got {self}")

    def eyes(self) -> NDArray[np.float64]:
        """Where the eyes lie in the crop, (2, 2) x, y; pixel centres are whole numbers."""
        return np.array([self.left_eye, self.right_eye]) * self.size - 0.5


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The shift, turn and scale that takes two points to two others, as an affine (2, 3) matrix.

    Both are (2, 2), x, y a row. Raises ValueError when the source points coincide.
    """
    # As complex numbers a similarity is z -> a z + b, and two points determine it.
    z0, z1 = (complex(x, y) for x, y in source)
    w0, w1 = (complex(x, y) for x, y in target)
    if not abs(z1 - z0) > 0:  # also refuses NaN
        raise ValueError(f"two distinct finite points are needed, got {source!r}")
    a = (w1 - w0) / (z1 - z0)
    b = w0 - a * z0
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(
    image: NDArray[np.uint8], eyes: NDArray[np.float32], geometry: CropGeometry
) -> NDArray[np.uint8]:
    """The face upright and at a fixed scale: uint8 (size, size, 3), C-contiguous.

    ``image`` is uint8 (H, W, 3); ``eyes`` is (2, 2): x, y in pixels (centres are whole numbers) of
    the eye on the left and of the eye on the right of the image. What lies outside of the
    image repeats its border. A large face is sampled on a finer grid and averaged, so that it
    shrinks without aliasing. Raises ValueError for other shapes and for eyes that coincide.
    """
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected an image uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if eyes.shape != (2, 2):
        raise ValueError(f"expected two eyes as (2, 2) x, y, got {eyes.shape}")
    shrink = np.linalg.norm(eyes[1] - eyes[0]) / np.linalg.norm(np.diff(geometry.eyes(), axis=0))
    fine = int(np.clip(np.ceil(shrink), 1, _MAX_OVERSAMPLING)) if np.isfinite(shrink) else 1
    side = geometry.size * fine
    target = (geometry.eyes() + 0.5) * fine - 0.5
    crop = cv2.warpAffine(
        np.ascontiguousarray(image),
        similarity(eyes, target),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if fine > 1:
        crop = cv2.resize(crop, (geometry.size, geometry.size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(crop, dtype=np.uint8)
