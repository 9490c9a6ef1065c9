"""Choice of the face detector: the one that was asked for, or the best on this machine.

Finding (which may download, and which Ctrl-C must be able to end) is apart from loading (which
runs in threads, side by side with the networks).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from mmer.models.errors import MmerError
from mmer.models.store.store import Store, Unavailable
from mmer.realtime.blocks.face_detector import FaceDetector
from mmer.realtime.messages import Notice

T = TypeVar("T")


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What was loaded (None: nothing could be), its name, and why not something better."""

    made: T | None
    name: str | None
    notices: tuple[Notice, ...] = ()


def find(get: Callable[[], Path], needed: bool) -> Path | Unavailable:
    """The path of a stored model, or why there is none; raises that where it is ``needed``."""
    try:
        return get()
    except Unavailable as problem:
        if needed:
            raise
        return problem


def find_blazeface(detector: str, store: Store) -> Path | Unavailable | None:
    """BlazeFace's file for ``--detector``; None where it is not wanted."""
    return find(store.face_detector, detector != "auto") if detector != "haar" else None


def load_detector(detector: str, blazeface: Path | Unavailable | None) -> Choice[FaceDetector]:
    """The face detector for ``--detector``: auto takes BlazeFace, else Haar.

    OpenCV runs BlazeFace by default. MediaPipe, which BlazeFace comes from, is there by name alone:
    its library reports usage figures to its makers' servers, and cannot be told not to.
    """
    from mmer.realtime.blocks.blazeface_detector import BlazeFaceDetector
    from mmer.realtime.blocks.haar_detector import HaarDetector
    from mmer.realtime.blocks.mediapipe_detector import MediaPipeDetector

    if blazeface is None:
        return Choice(HaarDetector(), "haar (opencv)")
    try:
        if isinstance(blazeface, Unavailable):
            raise blazeface
        if detector == "mediapipe":
            text = "MediaPipe's library sends usage figures (no pictures) to its makers when it can"
            notice = Notice(0.0, "info", "face", text)
            return Choice(MediaPipeDetector(blazeface), f"mediapipe ({blazeface.name})", (notice,))
        return Choice(BlazeFaceDetector(blazeface), f"blazeface ({blazeface.name})")
    except MmerError as problem:
        if detector != "auto":
            raise
        notice = Notice(0.0, "info", "face", f"{problem}; using OpenCV's Haar cascade")
        return Choice(HaarDetector(), "haar (opencv)", (notice,))
