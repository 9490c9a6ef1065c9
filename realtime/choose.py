"""Registry of the face detectors, and the choice of the one that ``--detector`` names.

Finding (which may download, and which Ctrl-C must be able to end) is apart from loading (which
runs in threads, side by side with the networks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry
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


@dataclass(frozen=True)
class DetectorEntry(Entry):
    """A face detector: its class takes the path of ``asset``, or nothing where there is none."""

    asset: str = ""  # name in the store
    auto: bool = True  # taken by "auto" where those before it are not available
    origin: str = ""  # what it comes with, where it has no file of its own
    notice: str = ""  # for the user


DETECTORS: Final = Registry(
    "face detector",
    {
        "blazeface": DetectorEntry(
            "mmer.realtime.blocks.blazeface_detector:BlazeFaceDetector",
            "BlazeFace, run by OpenCV",
            "Bazarevsky et al. 2019",
            asset="face-detector",
        ),
        "mediapipe": DetectorEntry(
            "mmer.realtime.blocks.mediapipe_detector:MediaPipeDetector",
            "BlazeFace, run by MediaPipe",
            "Bazarevsky et al. 2019",
            asset="face-detector",
            auto=False,  # its library reports usage, which cannot be switched off
            notice="MediaPipe's library sends usage figures (no images) to its makers when it can",
        ),
        "haar": DetectorEntry(
            "mmer.realtime.blocks.haar_detector:HaarDetector",
            "OpenCV's Haar cascade",
            "Viola and Jones 2001",
            origin="opencv",
        ),
    },
)

Found: TypeAlias = Mapping[str, "Path | Unavailable | None"]
"""Files by detector, best detector first; None where it needs none."""


def detector_names() -> tuple[str, ...]:
    """Values of ``--detector``."""
    return ("auto", *DETECTORS)


DETECTOR_METAVAR: Final = "{" + ",".join(detector_names()) + "}"
"""The same, for the help of a command."""


def find_detector(detector: str, store: Store) -> Found:
    """Files of the detector named, or of all that "auto" may take; fetched where missing.

    Raises:
        Unavailable: the detector was named and its file is not to be had.
    """
    if detector != "auto":
        return {detector: _file(detector, store)}
    found: dict[str, Path | Unavailable | None] = {}
    for name, entry in DETECTORS.items():
        if entry.auto:
            try:
                found[name] = _file(name, store)
            except Unavailable as problem:
                found[name] = problem.with_traceback(None)  # which would keep every model alive
    return found


def load_detector(found: Found) -> Choice[FaceDetector]:
    """The first face detector of those found that can be loaded.

    Raises:
        MmerError: none can be loaded.
    """
    problems: list[MmerError] = []
    for name, file in found.items():
        entry = DETECTORS[name]
        try:
            if isinstance(file, Unavailable):
                raise file
            made: FaceDetector = DETECTORS.load(name)(*([] if file is None else [file]))
        except MmerError as problem:
            problems.append(problem.with_traceback(None))
            continue
        reasons = [f"{problem}; using {entry.summary}" for problem in problems]
        reasons += [entry.notice] if entry.notice else []
        origin = entry.origin if file is None else file.name
        notices = tuple(Notice(0.0, "info", "face", reason) for reason in reasons)
        return Choice(made, f"{name} ({origin})" if origin else name, notices)
    raise problems[-1]


def _file(detector: str, store: Store) -> Path | None:
    asset = DETECTORS[detector].asset
    return store.get(store.asset(asset)) if asset else None
