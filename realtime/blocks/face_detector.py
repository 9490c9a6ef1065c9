"""Interface of the face detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face in one image; all positions in pixels, x before y, pixel centres whole numbers.

    ``eyes`` holds the eye on the left and then the one on the right of the image. ``nose`` is
    the tip of the nose where the detector gives it. ``score`` is the detector's own confidence.
    """

    box: tuple[float, float, float, float]  # x, y, width, height
    eyes: NDArray[np.float32]  # shape (2, 2)
    nose: tuple[float, float] | None
    score: float  # 0..1

    def overlap(self, other: DetectedFace) -> float:
        """Intersection over union of the two boxes, 0..1."""
        (ax, ay, aw, ah), (bx, by, bw, bh) = self.box, other.box
        across = max(0.0, min(ax + aw, bx + bw) - max(ax, bx))
        down = max(0.0, min(ay + ah, by + bh) - max(ay, by))
        union = aw * ah + bw * bh - across * down
        return across * down / union if union > 0 else 0.0


class FaceDetector(Protocol):
    """Detector of the faces in the successive frames of one stream; may keep state."""

    name: str  # for people: "mediapipe", "haar"

    def detect(self, image: NDArray[np.uint8], t: float) -> list[DetectedFace]:
        """The faces in ``image``, uint8 (H, W, 3) BGR, captured at second ``t``; any order."""

    def look_everywhere(self) -> None:
        """Search the whole of the next image, also where one face is followed."""
        return

    def find_again(self, image: NDArray[np.uint8], face: DetectedFace) -> DetectedFace | None:
        """``face`` of an earlier image, searched for around its place, where that is cheap.

        None where it is not there, and of a detector that cannot.
        """
        return None

    def reset(self) -> None:
        """Forget the stream; keep the loaded model."""
        return


def load_cv2() -> Any:
    """OpenCV, or MmerError: its wheels need two of the system's libraries."""
    try:
        import cv2
    except ImportError as error:
        raise MmerError(
            f"OpenCV cannot be imported ({error}), so there are no faces; on Debian or Ubuntu: "
            "apt-get install libgl1 libglib2.0-0, else: pip install 'opencv-contrib-python<5'"
        ) from error
    return cv2
