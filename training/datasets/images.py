"""Images of items: from files, arrays and videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.png import is_cut
from mmer.realtime.sources.suffixes import VIDEOS
from mmer.training.datasets.image_size import LARGEST_PX, image_size
from mmer.training.datasets.item import Item

VIDEO_FPS: Final = 5.0
"""Frames a second of a video that are evaluated."""


def is_video(item: Item) -> bool:
    """Whether the item is a video."""
    return item.pixels is None and item.path is not None and item.path.suffix.lower() in VIDEOS


def read_image(item: Item) -> NDArray[np.uint8]:
    """The image of an item, uint8 (H, W, 3) BGR.

    Raises:
        MmerError: it cannot be read.
    """
    import cv2

    if item.pixels is not None:
        image = item.pixels
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image)
    if item.path is None:
        raise MmerError(f"{item.key} has no image")
    if item.path.exists() and not item.path.is_file():  # a pipe or a device never ends
        raise MmerError(f"cannot read {item.path}: it is not a file")
    try:
        content = item.path.read_bytes()
    except OSError as error:
        raise MmerError(f"cannot read {item.path}: {error.strerror}") from error
    if is_cut(content):
        raise MmerError(f"cannot read {item.path}: the file is cut short or damaged")
    width, height = image_size(content) or (0, 0)
    if width * height > LARGEST_PX:
        raise MmerError(
            f"cannot read {item.path}: it declares {width}x{height} pixels, and "
            f"{LARGEST_PX // 10**6} million are the most that are decoded"
        )
    try:
        pixels = np.frombuffer(content, np.uint8)
        decoded = cv2.imdecode(pixels, cv2.IMREAD_COLOR) if len(pixels) else None
    except cv2.error as error:
        raise MmerError(f"cannot read {item.path}: {error.err}") from error
    if decoded is None:
        raise MmerError(f"cannot read {item.path}: no image that OpenCV knows")
    return np.asarray(decoded, np.uint8)


def image_or_none(item: Item) -> NDArray[np.uint8] | None:
    """The image of an item that has one, for the search of twins."""
    if is_video(item):
        return None
    try:
        return read_image(item)
    except MmerError:  # reported when it is evaluated
        return None


def video_frames(item: Item, fps: float = VIDEO_FPS) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Times and frames, uint8 (H, W, 3) BGR, upright, of the item's part of its video.

    Raises:
        MmerError: it cannot be read.
    """
    from mmer.realtime.clock import ManualClock
    from mmer.realtime.messages import VideoFrame
    from mmer.realtime.sources.media import MediaFile

    source = MediaFile(Path(item.path or ""), video_fps=fps, wanted=frozenset({"video"}))
    try:
        source.open(ManualClock())
        for message in source.messages():
            if not isinstance(message, VideoFrame) or message.t < (item.start_s or 0.0):
                continue
            if item.end_s is not None and message.t >= item.end_s:
                return
            yield message.t, message.image
    finally:
        source.close()


def centre_square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest square in the middle of (H, W, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resized(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The image resized to (side, side, 3), without aliasing."""
    import cv2

    if image.shape[:2] == (side, side):
        return image
    smaller = min(image.shape[:2]) >= side
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)
