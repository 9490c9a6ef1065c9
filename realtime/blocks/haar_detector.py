"""Face detector of OpenCV's bundled Haar cascades (Viola and Jones 2001).

A cascade is too slow for every frame and misses tilted heads, so it runs only now and then, and
sparse optical flow (Lucas and Kanade 1981) carries the faces from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector, load_cv2

# Where the eyes lie in the box of haarcascade_frontalface_alt, as fractions of it: medians over
# webcam-like clips, against BlazeFace.
_EYES_IN_BOX = np.array([(0.31, 0.40), (0.69, 0.40)])


@dataclass(frozen=True)
class HaarConfig:
    """When and where the cascade runs."""

    search_every_s: float = 0.2  # between two searches with the cascade
    hold_s: float = 1.0  # how long a face may go on by flow alone
    search_all_every_s: float = 1.0  # in between, only around the faces known
    search_pixels: int = 320 * 240  # the image is shrunk to this
    smallest_face: float = 0.11  # of the image's shorter side


@dataclass(frozen=True, eq=False)
class _Carried:
    """A face carried by the flow; positions in the small image."""

    box: NDArray[np.float64]  # shape (2, 2): two opposite corners
    eyes: NDArray[np.float64]  # shape (2, 2)
    points: NDArray[np.float32]  # shape (n, 1, 2): what the flow follows
    score: float
    found: float  # when the cascade last found it
    eyes_found: float  # when the other cascade last found its eyes


class HaarDetector(FaceDetector):
    """Frontal faces, with the eyes found by a second cascade or guessed from the box.

    Raises MmerError when OpenCV cannot be loaded or has no cascades.
    """

    name = "haar"

    def __init__(self, config: HaarConfig | None = None) -> None:
        self.config = config or HaarConfig()
        cv2 = load_cv2()
        self._face = _cascade(cv2, "haarcascade_frontalface_alt.xml")
        self._eye = _cascade(cv2, "haarcascade_eye.xml")
        self.reset()

    def reset(self) -> None:
        self._carried: list[_Carried] = []
        self._last: NDArray[np.uint8] | None = None
        self._searched = self._searched_all = -np.inf

    def detect(self, image: NDArray[np.uint8], t: float) -> list[DetectedFace]:
        import cv2

        scale = min(1.0, (self.config.search_pixels / (image.shape[0] * image.shape[1])) ** 0.5)
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
        if self._last is None or self._last.shape != small.shape or t < self._searched:
            self.reset()
        else:
            self._carried = [
                moved for h in self._carried if (moved := _follow(cv2, self._last, small, h))
            ]
        lost = not self._carried and np.isfinite(self._searched)
        # Without a face, search twice as rarely: there is no flow to correct, and it costs most.
        wait = self.config.search_every_s * (2 if lost else 1)
        if t - self._searched >= wait - 1e-6:
            self._carried = self._search(cv2, grey, small, scale, t)
            self._searched = t
        self._last = small
        return [self._report(h, scale, t) for h in self._carried]

    def _search(
        self, cv2: Any, grey: NDArray[np.uint8], small: NDArray[np.uint8], scale: float, t: float
    ) -> list[_Carried]:
        least, part = self.config.smallest_face * min(small.shape), small
        corner = np.zeros(2, int)
        if self._carried and t - self._searched_all < self.config.search_all_every_s:
            size = [np.diff(h.box, axis=0)[0] for h in self._carried]
            low = np.min(
                [h.box[0] - w / 2 for h, w in zip(self._carried, size, strict=True)], axis=0
            )
            high = np.max(
                [h.box[1] + w / 2 for h, w in zip(self._carried, size, strict=True)], axis=0
            )
            corner, end = low.astype(int).clip(0), high.astype(int).clip(0)
            part = small[corner[1] : end[1], corner[0] : end[0]]
            least = 0.7 * float(np.min(size))
        else:
            self._searched_all = t
        boxes, counts = self._face.detectMultiScale2(
            part, scaleFactor=1.15, minNeighbors=2, minSize=(max(20, round(least)),) * 2
        )
        found: list[_Carried] = []
        for (x, y, w, h), count in zip(boxes, counts, strict=True):
            corners = np.array([(x, y), (x + w, y + h)], float) + corner
            before = next((h for h in self._carried if _overlap(h.box, corners)), None)
            score, eyes_found = float(count) / (float(count) + 4.0), t
            eyes = self._eyes(grey, corners / scale)
            if eyes is not None:
                eyes = eyes * scale
            elif before is not None and t - before.eyes_found < self.config.hold_s:
                eyes, eyes_found = before.eyes, before.eyes_found  # carried here by the flow
            else:
                eyes, eyes_found = corners[0] + _EYES_IN_BOX * (w, h), -np.inf
                score *= 0.7
            points = _corners_in(cv2, small, corners)
            found.append(_Carried(corners, eyes, points, score, t, eyes_found))
        # A face that the cascade has missed (turned or tilted) goes on by flow for a while.
        kept = [
            h
            for h in self._carried
            if t - h.found < self.config.hold_s and not any(_overlap(h.box, f.box) for f in found)
        ]
        return found + [replace(h, points=_corners_in(cv2, small, h.box)) for h in kept]

    def _eyes(
        self, grey: NDArray[np.uint8], corners: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Two eyes in the upper part of a face, (2, 2) in the full image; None unless sure."""
        import cv2

        (x0, y0), (x1, y1) = corners.astype(int).clip(0)
        upper = grey[y0 + (y1 - y0) // 5 : y0 + (y1 - y0) * 3 // 5, x0:x1]
        if upper.shape[0] < 12 or upper.shape[1] < 24:
            return None
        zoom = 100 / upper.shape[1]  # the cascade's eye is 20 pixels wide, a fifth of a face
        found = self._eye.detectMultiScale(
            cv2.resize(upper, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA),
            scaleFactor=1.1,
            minNeighbors=3,
            minSize=(18, 18),
        )
        centres = [(x + w / 2, y + h / 2) for x, y, w, h in found]
        left = [c for c in centres if 15 < c[0] < 45]
        right = [c for c in centres if 55 < c[0] < 85]
        if len(left) != 1 or len(right) != 1 or abs(left[0][1] - right[0][1]) > 12:
            return None
        corner = np.array([x0, y0 + (y1 - y0) // 5], np.float64)
        eyes: NDArray[np.float64] = np.array([left[0], right[0]], np.float64) / zoom
        return eyes + corner

    def _report(self, face: _Carried, scale: float, t: float) -> DetectedFace:
        (x0, y0), (x1, y1) = face.box / scale
        eyes = (face.eyes + 0.5) / scale - 0.5
        fresh = 1 - max(0.0, t - face.found - self.config.search_every_s) / self.config.hold_s
        return DetectedFace(
            box=(float(x0), float(y0), float(x1 - x0), float(y1 - y0)),
            eyes=eyes[np.argsort(eyes[:, 0], kind="stable")].astype(np.float32),
            nose=None,
            score=face.score * float(np.clip(fresh, 0, 1)),
        )


def _cascade(cv2: Any, file: str) -> Any:
    from mmer.models.errors import MmerError

    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + file)
    if cascade.empty():
        raise MmerError(
            f"OpenCV {cv2.__version__} has no {file}: pip install 'opencv-contrib-python<5'"
        )
    return cascade


def _corners_in(
    cv2: Any, small: NDArray[np.uint8], box: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Points worth following in the middle of a box (its rim is background)."""
    centre, half = box.mean(axis=0), np.diff(box, axis=0)[0] * 0.35
    (x0, y0), (x1, y1) = np.stack([centre - half, centre + half]).round().astype(int).clip(0)
    inner = small[y0:y1, x0:x1]
    found = None
    if min(inner.shape) > 2:
        found = cv2.goodFeaturesToTrack(inner, maxCorners=40, qualityLevel=0.02, minDistance=3)
    if found is None:
        return np.zeros((0, 1, 2), np.float32)
    return np.asarray(found + np.array((x0, y0), np.float32), np.float32)


def _follow(
    cv2: Any, before: NDArray[np.uint8], now: NDArray[np.uint8], face: _Carried
) -> _Carried | None:
    """The face one frame later, or None when the flow has lost it."""
    if len(face.points) < 6:
        return None
    flow = {"winSize": (15, 15), "maxLevel": 2}
    there, ok, _ = cv2.calcOpticalFlowPyrLK(before, now, face.points, None, **flow)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(now, before, there, None, **flow)
    good = (ok & ok_back).ravel().astype(bool)
    good &= np.linalg.norm(back - face.points, axis=2).ravel() < 1.0
    if good.sum() < 6:
        return None
    # A similarity transform by RANSAC (OpenCV seeds it alike every time): lips and lids move.
    matrix, _ = cv2.estimateAffinePartial2D(face.points[good], there[good])
    if matrix is None or not 0.8 < np.linalg.norm(matrix[:, 0]) < 1.25:
        return None
    turn, shift = matrix[:, :2].T, matrix[:, 2]
    centre = face.box.mean(axis=0) @ turn + shift
    half = np.diff(face.box, axis=0)[0] / 2 * np.linalg.norm(matrix[:, 0])
    if not (0 <= centre[0] < now.shape[1] and 0 <= centre[1] < now.shape[0]):
        return None
    box = np.stack([centre - half, centre + half])
    return replace(face, box=box, eyes=face.eyes @ turn + shift, points=there[good])


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether the centre of one box lies in the other."""
    return any(
        bool(((p.mean(axis=0) > q[0]) & (p.mean(axis=0) < q[1])).all()) for p, q in ((a, b), (b, a))
    )
