"""Raw signals of items: sound, text with its past, and frames. Containers by PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from threading import get_ident
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.images import shorter_side
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.frames import evenly
from mmer.models.preparation.preparation import Frames, Sound, Utterance
from mmer.models.store.store import Store
from mmer.realtime.blocks.face_tracker import FaceTracker
from mmer.realtime.choose import find_detector, load_detector
from mmer.realtime.messages import FaceObservation, VideoFrame
from mmer.realtime.sources.reader import choose_streams, open_container
from mmer.training.datasets.files import IMAGE_SUFFIXES, walk
from mmer.training.datasets.images import read_image, resized, video_frames
from mmer.training.datasets.item import Item
from mmer.training.datasets.media import decode

FRAMES_FPS: Final = 25.0
"""Frames a second of a video that are sampled from."""
FACES_FPS: Final = 10.0
"""Frames a second of a video in which the face is looked for."""
_SPARE: Final = 8  # times the wanted count is buffered while a video's length is unknown


def sound_of(item: Item) -> Sound | None:
    """The item's sound, 16 kHz mono int16 (n,); None where it has none.

    Raises:
        MmerError: its file cannot be read.
    """
    if not _has(item, "audio"):
        return None
    assert item.path is not None
    samples = decode(item.path, item.start_s, item.end_s)
    return samples if len(samples) else None


def text_of(item: Item) -> Utterance | None:
    """The item's text and its past; None where it has no text."""
    return Utterance(item.text, item.past) if item.text else None


def seconds_of(item: Item) -> tuple[float, float]:
    """Start and end of the item in its recording; the end by its container.

    Raises:
        MmerError: its file cannot be read.
    """
    import av

    assert item.path is not None
    if item.end_s is not None:
        return item.start_s or 0.0, item.end_s
    try:
        with open_container(str(item.path.absolute()), network=False) as container:
            return item.start_s or 0.0, (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MmerError(f"cannot read {item.path}: {error}") from error


def frames_of(
    item: Item, count: int, sees: str, size: int = 224, *, cropped: bool = False
) -> Frames | None:
    """``count`` frames spread evenly over the item (fewer where it has fewer), in order of time.

    The frames of an item are those of its video, the images of a folder, one file, or its pixels.

    Args:
        item: the item.
        count: largest number of frames.
        sees: "frames": whole frames, resized to ``size`` pixels on the shorter side; or "faces":
            crops (size, size) of the most prominent face, found and aligned as live; of a video,
            of its frames with a face.
        size: in pixels.
        cropped: images (not videos) are face crops already, as pixels and the files of a folder
            always are.

    Returns:
        uint8 (N, H, W, 3) BGR, N >= 1; None where there is no frame, or no face in any.

    Raises:
        MmerError: a file cannot be read.
    """
    timed = _timed(item, FACES_FPS if sees == "faces" else FRAMES_FPS)
    if timed is None:
        return None
    if sees != "faces":
        return _spread((shorter_side(image, size) for _, image in timed), count)
    if item.pixels is not None or (item.path and item.path.is_dir()) or (cropped and _still(item)):
        return _spread((resized(image, size) for _, image in timed), count)
    return _spread(_faces(timed, size), count)


def _timed(item: Item, fps: float) -> Iterator[tuple[float, NDArray[np.uint8]]] | None:
    """Times and frames of the item; None where it has none."""
    if item.pixels is not None or _still(item):
        return iter([(0.0, read_image(item))])
    if item.path is not None and item.path.is_dir():
        paths = [path for path in walk(item.path) if path.suffix.lower() in IMAGE_SUFFIXES]
        return ((i / fps, read_image(replace(item, path=p))) for i, p in enumerate(paths))
    return video_frames(item, fps) if _has(item, "video") else None


def _still(item: Item) -> bool:
    return item.path is not None and item.path.suffix.lower() in IMAGE_SUFFIXES


def _has(item: Item, kind: str) -> bool:
    """Whether the item has a recording with an "audio" or "video" stream."""
    import av

    path = item.path
    if path is None or path.is_dir() or _still(item):
        return False
    try:
        with open_container(str(path.absolute()), network=False) as container:
            return kind in choose_streams(container)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MmerError(f"cannot read {path}: {error}") from error


def _faces(
    timed: Iterable[tuple[float, NDArray[np.uint8]]], size: int
) -> Iterator[NDArray[np.uint8]]:
    tracker = _tracker(size, get_ident())
    tracker.reset()
    for t, image in timed:
        observed = tracker.push(VideoFrame(t, np.ascontiguousarray(image)))[0]
        assert isinstance(observed, FaceObservation)
        if observed.crop is not None:
            yield observed.crop


@cache
def _tracker(size: int, thread: int) -> FaceTracker:
    """With the default detector; one a thread, as it has state."""
    choice = load_detector(find_detector("auto", Store(offline=True)))
    return FaceTracker(choice.made, CropGeometry(size))


def _spread(images: Iterable[NDArray[np.uint8]], count: int) -> Frames | None:
    """``count`` of them evenly, in one pass and with a bounded buffer; the first sets the size."""
    import cv2

    buffered: list[NDArray[np.uint8]] = []
    stride = 1
    for i, image in enumerate(images):
        if i % stride:
            continue
        buffered.append(image)
        if len(buffered) >= _SPARE * count:
            buffered, stride = buffered[::2], 2 * stride
    if not buffered:
        return None
    height, width = buffered[0].shape[:2]
    chosen = [buffered[i] for i in evenly(len(buffered), count)]
    return np.stack(
        [
            image
            if image.shape[:2] == (height, width)
            else np.asarray(cv2.resize(image, (width, height)), np.uint8)
            for image in chosen
        ]
    )
