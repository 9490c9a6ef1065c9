"""Pictures from outside: measured by their header before they are decoded."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.png import PNG, is_cut

PIXELS: Final = 4_500_000
"""Most pixels of one picture, more than 2560x1440: 14 MB decoded."""
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def decode(data: memoryview) -> NDArray[np.uint8]:
    """A JPEG or PNG file as uint8 (H, W, 3) BGR.

    Raises:
        MmerError: it is something else, damaged, or larger than ``PIXELS``.
    """
    import cv2

    width, height = size(data)
    if is_cut(data):
        raise MmerError("the picture is damaged")
    if width * height > PIXELS:
        raise MmerError(f"a picture of {width}x{height} is too large: send at most 1920x1080")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise MmerError("the picture cannot be decoded") from error
    if image is None:
        raise MmerError("the picture is damaged")
    return np.asarray(image, np.uint8)


def size(data: memoryview) -> tuple[int, int]:
    """Width and height in pixels by the file's header; raises MmerError where it has none."""
    begin = bytes(data[:24])
    if begin.startswith(PNG) and begin[12:16] == b"IHDR" and len(begin) == 24:
        width, height = struct.unpack_from(">II", begin, 16)
    elif begin.startswith(b"\xff\xd8"):
        width, height = _jpeg_size(data)
    else:
        raise MmerError("a picture is a JPEG or PNG file")
    if not (width and height):
        raise MmerError("the picture has no pixels")
    return width, height


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    raise MmerError("the picture's header is damaged")
