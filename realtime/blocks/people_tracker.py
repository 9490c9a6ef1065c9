"""People tracker: video frames in, every face out, each under the number of its person.

Detections are assigned to people by where they should be by now and by their looks (`Appearance`).
While one face hides another, the hidden person's track waits; a person who comes back within a
minute gets the old number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry, align
from mmer.models.quality import assess, share_inside
from mmer.realtime.blocks.appearance import Appearance, appearance_of
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector
from mmer.realtime.blocks.face_tracker import FaceConfig, Track
from mmer.realtime.messages import FaceObservation, Message, VideoFrame


@dataclass(frozen=True)
class PeopleConfig:
    """When people are looked for, told apart and forgotten."""

    look_s: float = 0.2  # the whole image is searched so often, for those who come
    evaluate_s: float = 0.12  # of several faces each is evaluated so often at most
    missing_s: float = 0.5  # this long without the face and it is reported missing
    near_s: float = 1.5  # a face that was hidden for so long is still where it was heading
    known_s: float = 60.0  # a person who has left is known again for so long
    same: float = 0.75  # distance of looks below which a face is that of one who has left
    other: float = 1.6  # distance of looks above which a face is not the one that was there
    margin: float = 0.15  # by which the next likely person must be less alike
    most: int = 6  # people followed at once

    def __post_init__(self) -> None:
        if min(self.look_s, self.evaluate_s, self.missing_s, self.near_s, self.known_s) < 0:
            raise MmerError(f"following people needs times of 0 or more, got {self}")
        if self.most < 1:
            raise MmerError(f"at least one person must be followed, got {self.most}")


_FAR: Final = 9.0  # cost of an assignment that cannot be
_MOUTH: Final = ((0.66, 0.97), (0.27, 0.73), (4, 3))
"""Of an aligned crop: rows and columns as shares of its side, cells across and down."""
_UPPER: Final = ((0.12, 0.60), (0.20, 0.80), (6, 4))
_TOGETHER: Final = 0.05  # intersection over union from which one face touches another


@dataclass(frozen=True, eq=False)
class _Seen:
    """A detection with its aligned crop and looks."""

    face: DetectedFace
    crop: NDArray[np.uint8]
    looks: Appearance


class _Person:
    """A person: the smoothed face, where it is heading, and how it looks."""

    def __init__(self, number: int, config: FaceConfig) -> None:
        self.number = number
        self.track = Track(number, config)
        self.face: DetectedFace | None = None  # as last found
        self.looks: Appearance | None = None
        self.t = -math.inf  # when it was last found
        self.evaluated = -math.inf
        self.velocity = np.zeros(2)  # of the middle, pixels a second
        self.mouth: tuple[NDArray[np.float32], ...] | None = None  # cells of the last crop

    def expected(self, t: float) -> NDArray[np.float64]:
        """Middle of the face at ``t``, at its velocity for at most 0.7 s."""
        assert self.face is not None
        return _middle(self.face) + self.velocity * min(max(t - self.t, 0.0), 0.7)

    def take(self, face: DetectedFace, t: float) -> DetectedFace:
        """Note the face's new place; return it smoothed."""
        if self.face is not None and 0 < (step := t - self.t) < 0.5:
            moved = (_middle(face) - _middle(self.face)) / step
            self.velocity += min(1.0, step / 0.15) * (moved - self.velocity)
        elif t - self.t >= 0.5:
            self.velocity[:] = 0.0
            self.mouth = None
        self.face, self.t = face, t
        return self.track.update(face, t)

    def mouth_motion(self, crop: NDArray[np.uint8]) -> float | None:
        """How much more the mouth has changed since the last crop than the rest of the face.

        Mean absolute difference of coarse cells, in standard deviations of the crop's grey values:
        cells of some pixels hardly change with the jitter of the alignment.
        """
        import cv2

        grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
        grey = (grey - grey.mean()) / max(float(grey.std()), 8.0)
        now = tuple(_cells(grey, *area) for area in (_MOUTH, _UPPER))
        before, self.mouth = self.mouth, now
        if before is None:
            return None
        lower, upper = (float(np.abs(a - b).mean()) for a, b in zip(now, before, strict=True))
        return max(0.0, lower - upper)


class PeopleTracker(Block):
    """VideoFrame -> FaceObservation, one for each person; one without a track where nobody is.

    People count from 1 in the order in which they come. Of several faces each is evaluated in turn
    (``evaluate_s``): the other observations have no ``crop``. A person who is missing has
    observations without a box until ``near_s`` have passed.
    """

    def __init__(
        self,
        detector: FaceDetector,
        geometry: CropGeometry | None = None,
        config: PeopleConfig | None = None,
        face: FaceConfig | None = None,
    ) -> None:
        self.detector = detector
        self.geometry = geometry or CropGeometry()
        self.config = config or PeopleConfig()
        self._face_config = face or FaceConfig()
        self.reset()

    def push(self, message: Message) -> Sequence[Message]:
        if not isinstance(message, VideoFrame):
            return []
        return self._observe(message)

    def reset(self) -> None:
        self.detector.reset()
        self._people: list[_Person] = []  # known ones, whether here or not
        self._count = 0
        self._looked = -math.inf
        self._before = -math.inf  # time of the frame before
        self._again_s = 0.0  # how long ago a face of nobody counts as seen once
        self._new: list[tuple[float, DetectedFace]] = []  # faces of nobody, seen lately

    def _observe(self, frame: VideoFrame) -> list[FaceObservation]:
        t = frame.t
        config = self.config
        if any(p.t > t for p in self._people):  # time has gone back: another stream
            self.reset()
        # at few frames a second the one before is all there is
        self._again_s = max(3 * config.look_s, min(t - self._before, config.near_s))
        self._before = t
        self._people = [p for p in self._people if t - p.t <= config.known_s]
        here = [p for p in self._people if t - p.t <= config.near_s]
        found = self._rest_or_detect(frame, here)
        seen = [self._seen(frame.image, face) for face in found]
        assigned = self._assigned(seen, here, t)
        self._welcome(seen, assigned, t)
        made = [
            self._report(frame, p, seen[i], assigned)
            for i, p in sorted(assigned.items(), key=lambda pair: pair[1].number)
        ]
        lost = [p for p in here if p not in assigned.values() and t - p.t > config.missing_s]
        made += [FaceObservation(t, p.number, None, None, None, 0.0, "no face") for p in lost]
        return made or [FaceObservation(t, None, None, None, None, 0.0, "no face")]

    # --- detection -------------------------------------------------------------------------------

    def _rest_or_detect(self, frame: VideoFrame, here: list[_Person]) -> list[DetectedFace]:
        """Faces of the frame; around those that are followed where the whole is not yet due."""
        t = frame.t
        if (
            here
            and all(t - p.t < self.config.look_s for p in here)
            and (t - self._looked < self.config.look_s - 0.002)
        ):
            near = [self._again(frame, person) for person in here]
            if None not in near and not _touching([f for f in near if f is not None]):
                return [f for f in near if f is not None]
        self._looked = t
        self.detector.look_everywhere()
        faces = self.detector.detect(frame.image, t)
        for face in faces:
            if not np.isfinite([*face.box, *face.eyes.flat, *(face.nose or ()), face.score]).all():
                raise ValueError("the detector gave no numbers")
        return _apart(faces)

    def _again(self, frame: VideoFrame, person: _Person) -> DetectedFace | None:
        assert person.face is not None
        resting = person.track.at_rest(frame.t)
        if resting is not None:
            return person.face
        return self.detector.find_again(frame.image, person.face)

    def _seen(self, image: NDArray[np.uint8], face: DetectedFace) -> _Seen:
        crop = align(image, face.eyes, self.geometry)
        return _Seen(face, crop, appearance_of(image, face, crop))

    # --- who is who ------------------------------------------------------------------------------

    def _assigned(
        self, seen: Sequence[_Seen], here: Sequence[_Person], t: float
    ) -> dict[int, _Person]:
        """By index of the detection, the person whose face it is: the cheapest whole."""
        if not seen or not here:
            return {}
        cost = np.array([[self._cost(one, person, t) for person in here] for one in seen])
        return {i: here[j] for i, j in _cheapest(cost)}

    def _cost(self, seen: _Seen, person: _Person, t: float) -> float:
        """How unlikely it is that a detection is a person: by place and looks; ``_FAR``: not."""
        assert person.face is not None
        face, missing_s = seen.face, max(t - person.t, 0.0)
        size = max(face.box[2], person.face.box[2], 1e-6)
        apart = float(np.linalg.norm(_middle(face) - person.expected(t))) / size
        reach = 0.8 + 2.0 * missing_s
        like = min(face.box[2], person.face.box[2]) / size
        if apart > reach or like < 0.5:
            return _FAR
        looks = 0.0 if person.looks is None else seen.looks.distance(person.looks)
        if looks > self.config.other:
            return _FAR
        # where two could be meant the looks decide; after a while the place says little
        return apart / reach + 2.0 * looks

    def _welcome(self, seen: Sequence[_Seen], assigned: dict[int, _Person], t: float) -> None:
        """Give the faces that are nobody's to those who have left, or to new people."""
        taken = list(assigned.values())
        unknown = []
        for i, one in enumerate(seen):
            if i in assigned:
                continue
            person = self._returned(one, taken, t)
            if person is None:
                unknown.append((t, one.face))
                if not self._is_new(one, taken, t):
                    continue
                self._count += 1
                person = _Person(self._count, self._face_config)
                self._people.append(person)
            else:
                person.track = Track(person.number, self._face_config)
                person.velocity[:] = 0.0
                person.mouth = None
            assigned[i] = person
            taken.append(person)
        recent = [(t0, face) for t0, face in self._new if t - t0 <= self._again_s]
        self._new = recent + unknown

    def _returned(self, seen: _Seen, taken: Iterable[_Person], t: float) -> _Person | None:
        """One who has left and looks so, more than anybody else who has."""
        away = [p for p in self._people if p not in taken and p.looks is not None]
        away = [p for p in away if t - p.t > 0.15]
        distances = sorted(
            ((seen.looks.distance(p.looks), p.number, p) for p in away if p.looks is not None),
        )
        if not distances or distances[0][0] > self.config.same:
            return None
        if len(distances) > 1 and distances[1][0] - distances[0][0] < self.config.margin:
            return None
        return distances[0][2]

    def _is_new(self, seen: _Seen, taken: Sequence[_Person], t: float) -> bool:
        """Whether a face is that of a new person: sure, apart from others, and not seen just once.

        The first one of all needs no second look.
        """
        face = seen.face
        if face.score < self._face_config.min_score or len(taken) >= self.config.most:
            return False
        if any(p.face is not None and p.face.overlap(face) > _TOGETHER for p in taken):
            return False
        if not self._people:
            return True
        return any(
            0 < t - t0 <= self._again_s
            and float(np.linalg.norm(_middle(face) - _middle(before))) < max(face.box[2], 1.0)
            for t0, before in self._new
        )

    def _report(
        self, frame: VideoFrame, person: _Person, seen: _Seen, assigned: dict[int, _Person]
    ) -> FaceObservation:
        t = frame.t
        alone = not any(
            p is not person and p.face is not None and p.face.overlap(seen.face) > _TOGETHER
            for p in self._people
            if t - p.t <= self.config.near_s
        )
        if person.looks is None:
            person.looks = seen.looks
        elif alone:  # else the other one's looks would be learnt
            person.looks = person.looks.updated(seen.looks)
        fresh = seen.face is not person.face
        face = person.take(seen.face, t) if fresh else person.track.at_rest(t) or seen.face
        person.t = t
        crop = align(frame.image, face.eyes, self.geometry)
        mouth = person.mouth_motion(crop)
        height, width = frame.image.shape[:2]
        inside = share_inside(face.eyes, self.geometry, height, width)
        quality = assess(crop, face.eyes, face.nose, face.score, inside)
        due = len(assigned) == 1 or t - person.evaluated >= self.config.evaluate_s - 0.002
        if due:
            person.evaluated = t
        return FaceObservation(
            t,
            person.number,
            face.box,
            face.eyes,
            crop if due else None,
            quality.value,
            quality.why,
            mouth,
        )


def _cells(
    grey: NDArray[np.float32],
    rows: tuple[float, float],
    columns: tuple[float, float],
    count: tuple[int, int],
) -> NDArray[np.float32]:
    """Means of the cells of a part of a crop."""
    import cv2

    top, bottom, left, right = (round(len(grey) * share) for share in (*rows, *columns))
    part = grey[top:bottom, left:right]
    return np.asarray(cv2.resize(part, count, interpolation=cv2.INTER_AREA), np.float32)


def _middle(face: DetectedFace) -> NDArray[np.float64]:
    x, y, w, h = face.box
    return np.array([x + w / 2, y + h / 2])


def _touching(faces: Sequence[DetectedFace]) -> bool:
    pairs = ((a, b) for i, a in enumerate(faces) for b in faces[i + 1 :])
    return any(a.overlap(b) > _TOGETHER for a, b in pairs)


def _apart(faces: Sequence[DetectedFace]) -> list[DetectedFace]:
    """The faces without those that are another one once more, the surest first."""
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if all(face.overlap(other) < 0.4 for other in kept):
            kept.append(face)
    return kept


def _cheapest(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the assignment of least cost, none of which is ``_FAR``."""
    rows, columns = cost.shape
    if rows > columns:
        return [(i, j) for j, i in _cheapest(cost.T)]
    if columns <= 6:
        orders: Iterable[tuple[int, ...]] = permutations(range(columns), rows)
        best = min(orders, key=lambda order: sum(cost[i, j] for i, j in enumerate(order)))
        pairs = list(enumerate(best))
    else:  # a crowd: the closest first
        pairs = []
        for flat in np.argsort(cost, axis=None, kind="stable"):
            i, j = divmod(int(flat), columns)
            if all(i != a and j != b for a, b in pairs):
                pairs.append((i, j))
    return [(i, j) for i, j in pairs if cost[i, j] < _FAR]
