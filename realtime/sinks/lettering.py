"""Lettering on frames: a raster typeface with a dark outline, legible on any image."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

_MIDDLE: Final = 0.48
"""Middle of the capitals, as a share of the line from its top."""
_OUTLINE: Final = 0.85  # how dark: 1 is black


@cache
def _font() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Characters 32 to 126 side by side, (48, W), and where each begins; `make_font` writes it."""
    with np.load(Path(__file__).with_name("font.npz")) as file:
        return file["image"], file["starts"]


def text_width(text: str, height: int) -> int:
    """Pixels that ``text`` is wide where a line is ``height`` pixels high."""
    image, starts = _font()
    widths = np.diff(starts)
    return round(sum(int(widths[_code(c)]) for c in text) * height / len(image))


def write(
    image: NDArray[np.uint8], x: int, y: int, text: str, colour: Colour, height: int, outline: bool
) -> None:
    """Write on ``image``, uint8 (H, W, 3), in place; what lies beyond its edges is cut off.

    Args:
        image: BGR.
        x: left edge.
        y: middle of the capitals.
        text: ASCII; other characters become "?".
        colour: of the letters.
        height: of a line, in pixels.
        outline: darken what lies around the letters.
    """
    if not text:
        return
    letters, dark = _masks(text, height)
    margin = (dark.shape[0] - letters.shape[0]) // 2
    top = y - round(_MIDDLE * height)
    if outline:
        _blend(image, x - margin, top - margin, dark, (0, 0, 0), _OUTLINE)
    _blend(image, x, top, letters, colour, 1.0)


def _code(character: str) -> int:
    return ord(character) - 32 if 32 <= ord(character) < 127 else ord("?") - 32


@lru_cache(maxsize=512)
def _masks(text: str, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cover of the letters, uint8 (height, w), and of their outline, with a margin all around."""
    import cv2

    font, starts = _font()
    row = np.hstack([font[:, starts[i] : starts[i + 1]] for i in map(_code, text)])
    size = (max(text_width(text, height), 1), height)
    shrinks = height < len(font)
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    letters = np.asarray(cv2.resize(row, size, interpolation=way), np.uint8)
    radius = max(1, round(height * 0.08))
    wide = cv2.copyMakeBorder(letters, *(2 * radius,) * 4, cv2.BORDER_CONSTANT, value=0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    dark = cv2.GaussianBlur(cv2.dilate(wide, kernel), (0, 0), radius / 2)
    return letters, np.asarray(dark, np.uint8)


def _blend(
    image: NDArray[np.uint8], x: int, y: int, cover: NDArray[Any], colour: Colour, share: float
) -> None:
    height, width = image.shape[:2]
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + cover.shape[1], width), min(y + cover.shape[0], height)
    if x1 <= x0 or y1 <= y0:
        return
    part = image[y0:y1, x0:x1]
    alpha = cover[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.float32) * (share / 255)
    part[:] = (part + (np.array(colour, np.float32) - part) * alpha + 0.5).astype(np.uint8)
