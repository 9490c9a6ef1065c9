"""Face tracker: video frames in, the followed face out, aligned and with its quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry, align
from mmer.models.quality import assess, share_inside
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.coarse_image import CELLS, CoarseImage
from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector
from mmer.realtime.messages import FaceObservation, Message, VideoFrame


@dataclass(frozen=True)
class FaceConfig:
    """When a face is chosen, followed and given up."""

    lost_s: float = 0.5  # this long without the face and its track is given up
    min_score: float = 0.4  # of the detector, for a new track (a followed face needs no score)
    smoothing_hz: float = 2.0  # cut-off for a face at rest
    smoothing_gain: float = 6.0  # Hz more for every eye distance per second that it moves
    rest_speed: float = 0.45  # eye distances per second below which a face is at rest
    rest_s: float = 0.1  # a face at rest is looked for again after this long
    least_change: float = 0.04  # of the image where the face is (``CoarseImage.change``)
    stands_s: float = 0.25  # so long what was found stands for frames that have changed less

    def __post_init__(self) -> None:
        times = min(self.lost_s, self.stands_s)
        if times < 0 or self.smoothing_hz <= 0 or self.smoothing_gain < 0:
            raise MmerError(f"face tracking needs times and rates above zero, got {self}")


class FaceTracker(Block):
    """VideoFrame -> FaceObservation, one for one.

    A face is kept while it lasts, even if a larger one comes; when its track is given up, the
    largest and most central one is next, under a new number (they count from 1). While a face is
    missing for less than ``lost_s``, no other takes its place. A face at rest is taken to be where
    it was until ``rest_s`` have passed: detection is the most expensive part of its evaluation.
    Where the image of it has not changed (``least_change``), all that was found stands for
    ``stands_s``, the crop as well.
    """

    def __init__(
        self,
        detector: FaceDetector,
        geometry: CropGeometry | None = None,
        config: FaceConfig | None = None,
    ) -> None:
        self.detector = detector
        self.geometry = geometry or CropGeometry()
        self.config = config or FaceConfig()
        self._tracks = 0
        self._track: Track | None = None
        self._last: tuple[FaceObservation, CoarseImage] | None = None  # as last looked for

    def push(self, message: Message) -> Sequence[Message]:
        if not isinstance(message, VideoFrame):
            return []
        if (standing := self._standing(message)) is not None:
            return [standing]
        found = self._observe(message)
        place = None if found.box is None else _coarse(message.image, found.box)
        self._last = None if place is None else (found, place)
        return [found]

    def reset(self) -> None:
        """Forget the track and what the detector remembers; numbers start at 1 again."""
        self.detector.reset()
        self._tracks = 0
        self._track = None
        self._last = None

    def _standing(self, frame: VideoFrame) -> FaceObservation | None:
        """The last observation, where it stands for ``frame``."""
        if self._last is None:
            return None
        found, before = self._last
        # containers round timestamps to the millisecond
        if found.box is None or not 0 < frame.t - found.t < self.config.stands_s - 0.002:
            return None
        now = _coarse(frame.image, found.box)
        if now is None or now.change(before) >= self.config.least_change:
            return None
        return replace(found, t=frame.t)

    def _observe(self, frame: VideoFrame) -> FaceObservation:
        height, width = frame.image.shape[:2]
        face = None if self._track is None else self._track.at_rest(frame.t)
        if face is None:
            faces = self.detector.detect(frame.image, frame.t)
            if not all(map(_numbers, faces)):  # they would stay in the filter
                raise ValueError("the detector gave no numbers")
            face = self._follow(faces, frame.t, width, height)
        if face is None or self._track is None:
            return FaceObservation(frame.t, None, None, None, None, 0.0, "no face")
        crop = align(frame.image, face.eyes, self.geometry)
        inside = share_inside(face.eyes, self.geometry, height, width)
        quality = assess(crop, face.eyes, face.nose, face.score, inside)
        return FaceObservation(
            frame.t, self._track.number, face.box, face.eyes, crop, quality.value, quality.why
        )

    def _follow(
        self, faces: list[DetectedFace], t: float, width: int, height: int
    ) -> DetectedFace | None:
        """The followed face among ``faces``, smoothed; None when it is not there."""
        if self._track is not None:
            same = self._track.match(faces)
            if same is not None:
                return self._track.update(same, t)
            if not self._track.lost(t, self.config.lost_s):
                return None
            self._track = None
        new = [f for f in faces if f.score >= self.config.min_score]
        if not new:
            return None
        self._tracks += 1
        self._track = Track(self._tracks, self.config)
        return self._track.update(max(new, key=lambda f: _prominence(f, width, height)), t)


class Track:
    """The followed face: where it was, and a one-euro filter on its place.

    The filter (Casiez, Roussel and Vogel 2012) smooths a face at rest and lets a moving one
    through; one cut-off serves all points, so that the face keeps its shape.
    """

    def __init__(self, number: int, config: FaceConfig) -> None:
        self.number = number
        self._config = config
        self._raw: DetectedFace | None = None
        self._place: NDArray[np.float64] | None = None  # shape (4, 2): box corners, eyes
        self._velocity = np.zeros((4, 2))  # of those, eye distances a second
        self._speed = math.inf  # eye distances a second: smoothed or last, whichever is more
        self._t = 0.0
        self._missing_since: float | None = None

    def at_rest(self, t: float) -> DetectedFace | None:
        """The face where it was, if it may be taken to be there still at ``t``."""
        resting = self._missing_since is None and self._speed < self._config.rest_speed
        # containers round timestamps to the millisecond
        return self._face() if resting and 0 < t - self._t < self._config.rest_s - 0.002 else None

    def match(self, faces: list[DetectedFace]) -> DetectedFace | None:
        """The face that lies most where this one was, if any lies there at all."""
        raw = self._raw
        if raw is None or not faces:
            return None
        best = max(faces, key=lambda f: _sameness(raw, f))
        return best if _sameness(raw, best) > 0 else None

    def lost(self, t: float, lost_s: float) -> bool:
        """Note that the face is missing at ``t``; whether for too long."""
        if self._missing_since is None:
            self._missing_since = self._t
        return t - self._missing_since > lost_s or t < self._t

    def update(self, face: DetectedFace, t: float) -> DetectedFace:
        """Take the face's new place; return it smoothed."""
        x, y, w, h = face.box
        place = np.concatenate([[(x, y), (x + w, y + h)], face.eyes]).astype(np.float64)
        step = t - self._t
        if self._place is None or self._missing_since is not None or step <= 0:
            self._place, self._velocity, self._speed = place, np.zeros((4, 2)), math.inf
        else:
            unit = max(float(np.linalg.norm(face.eyes[1] - face.eyes[0])), 1e-6)
            velocity = (place - self._place) / unit / step
            self._velocity = self._velocity + _weight(1.0, step) * (velocity - self._velocity)
            speed = float(np.linalg.norm(self._velocity, axis=1).mean())
            self._speed = max(speed, float(np.linalg.norm(velocity, axis=1).mean()))
            cutoff = self._config.smoothing_hz + self._config.smoothing_gain * speed
            self._place = self._place + _weight(cutoff, step) * (place - self._place)
        self._raw, self._t, self._missing_since = face, t, None
        return self._face()

    def _face(self) -> DetectedFace:
        """The face as last found, its place smoothed."""
        assert self._raw is not None
        assert self._place is not None
        (x0, y0), (x1, y1) = self._place[:2].tolist()
        return DetectedFace(
            box=(x0, y0, x1 - x0, y1 - y0),
            eyes=self._place[2:].astype(np.float32),
            nose=self._raw.nose,
            score=self._raw.score,
        )


def _coarse(image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> CoarseImage | None:
    """The face's image; None where too little of it is in the frame."""
    x, y, w, h = box
    height, width = image.shape[:2]
    left, top = max(0, round(x)), max(0, round(y))
    across = (min(width, round(x + w)) - left) // CELLS * CELLS
    down = (min(height, round(y + h)) - top) // CELLS * CELLS
    if across <= 0 or down <= 0:
        return None
    return CoarseImage(image[top : top + down, left : left + across])


def _numbers(face: DetectedFace) -> bool:
    """Whether the positions and the score are finite."""
    return bool(np.isfinite([*face.box, *face.eyes.flat, *(face.nose or ()), face.score]).all())


def _weight(cutoff_hz: float, step_s: float) -> float:
    """How much of a new value a low-pass filter takes."""
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff_hz * step_s))


def _sameness(a: DetectedFace, b: DetectedFace) -> float:
    """Above 0 when ``b`` may be ``a`` one frame later; the higher, the likelier.

    Intersection over union; for boxes that do not meet (few frames a second), a little for a
    centre less than one face away and of like size.
    """
    overlap = a.overlap(b)
    if overlap > 0.2:
        return overlap
    (ax, ay, aw, ah), (bx, by, bw, bh) = a.box, b.box
    if aw * ah + bw * bh <= 0:
        return 0.0
    apart = float(np.hypot(ax + aw / 2 - bx - bw / 2, ay + ah / 2 - by - bh / 2))
    like = min(aw, bw) / max(aw, bw, 1e-6)
    return 0.2 * max(0.0, 1 - apart / max(aw, bw, 1e-6)) if like > 0.6 else 0.0


def _prominence(face: DetectedFace, width: int, height: int) -> float:
    """Large and central faces first: the area, halved towards the image's corners."""
    x, y, w, h = face.box
    off = np.hypot((x + w / 2) / width - 0.5, (y + h / 2) / height - 0.5) / np.hypot(0.5, 0.5)
    return w * h * (1 - 0.5 * min(1.0, float(off)))
