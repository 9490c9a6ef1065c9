"""Registry of the face detectors, and the choice of the one that ``--detector`` names.

Finding (which may download, and which Ctrl-C must be able to end) is apart from loading (which
runs in threads, side by side with the networks).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from mmer.models.registry import Entry, Registry
from mmer.models.store.store import Store
from mmer.realtime.blocks.face_detector import FaceDetector
from mmer.realtime.messages import Notice

if TYPE_CHECKING:
    from mmer.realtime.shared_models import SharedModels

T = TypeVar("T")


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What was loaded, its name (None: nothing was), and notices, as of why nothing better."""

    made: T
    name: str | None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class DetectorEntry(Entry):
    """A face detector: its class takes the path of ``asset``, or nothing where there is none."""

    asset: str = ""  # name in the store
    shared: str = ""  # method of ``SharedModels`` that has its network, which it takes then
    origin: str = ""  # what it comes with, where it has no file of its own
    notice: str = ""  # for the user


DETECTORS: Final = Registry(
    "face detector",
    {
        "blazeface": DetectorEntry(
            "mmer.realtime.blocks.blazeface_detector:BlazeFaceDetector",
            "BlazeFace, run by ONNX Runtime",
            "Bazarevsky et al. 2019",
            shared="blazeface",
            origin="blazeface.onnx",
        ),
        "mediapipe": DetectorEntry(
            "mmer.realtime.blocks.mediapipe_detector:MediaPipeDetector",
            "BlazeFace, run by MediaPipe",
            "Bazarevsky et al. 2019",
            asset="face-detector",
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

AUTO: Final = "blazeface"
"""What "auto" takes."""


@dataclass(frozen=True)
class FoundDetector:
    """A detector by its name, and the file that it needs (None: none but those of mmer)."""

    name: str
    file: Path | None


def detector_names() -> tuple[str, ...]:
    """Values of ``--detector``."""
    return ("auto", *DETECTORS)


DETECTOR_METAVAR: Final = "{" + ",".join(detector_names()) + "}"
"""The same, for the help of a command."""


def find_detector(detector: str, store: Store) -> FoundDetector:
    """The detector that ``--detector`` names, with its file, fetched where it is missing.

    Raises:
        Unavailable: the file is not to be had.
    """
    name = AUTO if detector == "auto" else detector
    asset = DETECTORS[name].asset
    return FoundDetector(name, store.get(store.asset(asset)) if asset else None)


def load_detector(found: FoundDetector, models: SharedModels | None = None) -> Choice[FaceDetector]:
    """Load the detector that was found; ``models`` may have its network.

    Raises:
        MmerError: it cannot be loaded.
    """
    entry = DETECTORS[found.name]
    make = DETECTORS.load(found.name)
    made: FaceDetector
    if found.file is not None:
        made = make(found.file)
    elif models is not None and entry.shared:
        made = make(getattr(models, entry.shared)())
    else:
        made = make()
    notices = (Notice(0.0, "info", "face", entry.notice),) if entry.notice else ()
    origin = entry.origin if found.file is None else found.file.name
    return Choice(made, f"{found.name} ({origin})" if origin else found.name, notices)
