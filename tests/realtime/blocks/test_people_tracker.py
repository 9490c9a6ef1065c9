"""People tracker: numbers that stay through crossings, occlusions and absences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mmer.realtime.blocks.appearance import appearance_of
from mmer.realtime.blocks.face_detector import DetectedFace, FaceDetector
from mmer.realtime.blocks.people_tracker import PeopleConfig, PeopleTracker, _cheapest
from mmer.realtime.messages import FaceObservation, VideoFrame

FPS, SIDE = 20, 80
LOOKS = {  # hair and skin, BGR, and where the eyebrows are
    "ann": ((40, 40, 60), (150, 180, 230), 26),
    "bob": ((90, 170, 210), (120, 140, 200), 22),
    "cem": ((10, 10, 10), (70, 90, 140), 30),
}
Where = Mapping[str, "tuple[float, float]"]  # middles of the faces; later ones are in front


def picture(where: Where, mouths: Mapping[str, float] | None = None) -> np.ndarray:
    """A drawn scene, uint8 (360, 640, 3)."""
    image = np.full((360, 640, 3), (110, 115, 120), np.uint8)
    for name, (x, y) in where.items():
        hair, skin, brows = LOOKS[name]
        face = np.empty((SIDE, SIDE, 3), np.uint8)
        face[:] = skin
        face[: SIDE // 4] = hair
        face[brows : brows + 3, 14:66] = hair
        for eye in (25, 55):
            cv2.circle(face, (eye, 36), 4, (30, 30, 30), -1)
        opened = round(10 * (mouths or {}).get(name, 0.0))
        cv2.ellipse(face, (40, 64), (14, 2 + opened), 0, 0, 360, (60, 50, 120), -1)
        x0, y0 = round(x - SIDE / 2), round(y - SIDE / 2)
        left, right = max(x0, 0), min(x0 + SIDE, 640)
        if left < right:
            image[y0 : y0 + SIDE, left:right] = face[:, left - x0 : right - x0]
    return image


def detected(x: float, y: float) -> DetectedFace:
    eyes = np.array([(x - 15, y - 4), (x + 15, y - 4)], np.float32)
    return DetectedFace((x - SIDE / 2, y - SIDE / 2, SIDE, SIDE), eyes, (x, y + 10), 0.9)


class Seer(FaceDetector):
    """Finds every face of the scene that none in front hides."""

    name = "seer"

    def __init__(self) -> None:
        self.where: Where = {}
        self.looks = self.agains = 0

    def _seen(self) -> list[DetectedFace]:
        left: list[tuple[float, float]] = []
        for x, y in self.where.values():
            left = [p for p in left if abs(p[0] - x) > 0.6 * SIDE or abs(p[1] - y) > 0.6 * SIDE]
            if 0 < x < 640:
                left.append((x, y))
        return [detected(x, y) for x, y in left]

    def detect(self, image: np.ndarray, t: float) -> list[DetectedFace]:
        self.looks += 1
        return self._seen()[::-1]  # any order

    def find_again(self, image: np.ndarray, face: DetectedFace) -> DetectedFace | None:
        self.agains += 1
        x = face.box[0] + SIDE / 2
        near = [f for f in self._seen() if abs(f.box[0] + SIDE / 2 - x) < 0.6 * SIDE]
        return min(near, key=lambda f: abs(f.box[0] + SIDE / 2 - x), default=None)


def follow(
    way: Callable[[float], Where], length_s: float, config: PeopleConfig | None = None
) -> tuple[list[list[FaceObservation]], Seer, list[Where]]:
    seer = Seer()
    tracker = PeopleTracker(seer, config=config)
    made, truth = [], []
    for n in range(round(length_s * FPS)):
        t = n / FPS
        seer.where = way(t)
        found = tracker.push(VideoFrame(t, picture(seer.where)))
        made.append([m for m in found if isinstance(m, FaceObservation)])
        truth.append(seer.where)
    return made, seer, truth


def numbers(made: list[list[FaceObservation]], truth: list[Where]) -> dict[str, set[int]]:
    """By name, the numbers that its face had."""
    found: dict[str, set[int]] = {}
    for frame, where in zip(made, truth, strict=True):
        for seen in frame:
            if seen.box is None or seen.track is None:
                continue
            x, y = seen.box[0] + SIDE / 2, seen.box[1] + SIDE / 2
            name = min(where, key=lambda n: np.hypot(where[n][0] - x, where[n][1] - y))
            found.setdefault(name, set()).add(seen.track)
    return found


def line(t: float, t0: float, t1: float, a: float, b: float) -> float:
    return a + (b - a) * min(max((t - t0) / (t1 - t0), 0.0), 1.0)


def test_two_who_cross_keep_their_numbers() -> None:
    def way(t: float) -> Where:
        return {"ann": (line(t, 1, 3, 120, 520), 180), "bob": (line(t, 1, 3, 520, 120), 190)}

    made, _, truth = follow(way, 5.0)
    assert numbers(made, truth) == {"ann": {2}, "bob": {1}} or numbers(made, truth) == {
        "ann": {1},
        "bob": {2},
    }
    seen = [len([s for s in frame if s.box]) for frame in made]
    assert min(seen[:15]) >= 1
    assert 1 in seen[35:45]  # one hides the other
    assert seen[-1] == 2


def test_one_who_stops_behind_another_and_turns_back_keeps_the_number() -> None:
    """Where they should be says the wrong thing: looks decide."""

    def way(t: float) -> Where:
        x = line(t, 1, 2, 120, 320) if t < 2.5 else line(t, 2.5, 3.5, 320, 120)
        return {"ann": (x, 180), "bob": (330.0, 185)}

    made, _, truth = follow(way, 5.0)
    found = numbers(made, truth)
    assert [len(found[name]) for name in ("ann", "bob")] == [1, 1]
    assert found["ann"] != found["bob"]


def test_one_who_leaves_and_comes_back_elsewhere_has_the_old_number() -> None:
    def way(t: float) -> Where:
        there = {"bob": (320.0, 180.0), "cem": (500.0, 200.0)}
        if t < 2:
            return {"ann": (120.0, 180.0), **there}
        if t < 3:
            return {"ann": (line(t, 2, 3, 120, -100), 180.0), **there}
        if t < 8:
            return there
        return {"ann": (line(t, 8, 9, -100, 200), 100.0), **there}

    made, _, truth = follow(way, 11.0)
    found = numbers(made, truth)
    assert sorted(map(len, found.values())) == [1, 1, 1]
    assert set().union(*found.values()) == {1, 2, 3}
    away = [s for frame in made[90:] for s in frame if s.box is None]
    assert all(s.track == next(iter(found["ann"])) or s.track is None for s in away)


def test_somebody_else_in_the_same_place_has_another_number() -> None:
    def way(t: float) -> Where:
        if t < 2:
            return {"ann": (200.0, 180.0)}
        return {} if t < 4 else {"cem": (200.0, 180.0)}

    made, _, truth = follow(way, 6.0)
    assert numbers(made, truth) == {"ann": {1}, "cem": {2}}


def test_who_has_been_away_too_long_is_new() -> None:
    def way(t: float) -> Where:
        return {} if 2 <= t < 6 else {"ann": (200.0, 180.0)}

    made, _, truth = follow(way, 8.0, PeopleConfig(known_s=3.0))
    assert numbers(made, truth) == {"ann": {1, 2}}
    made, _, truth = follow(way, 8.0)
    assert numbers(made, truth) == {"ann": {1}}


def test_a_face_that_is_seen_once_is_nobody() -> None:
    seer = Seer()
    tracker = PeopleTracker(seer)
    counts = []
    for n in range(40):
        seer.where = {"ann": (200.0, 180.0)} | ({"bob": (480.0, 180.0)} if n == 20 else {})
        made = tracker.push(VideoFrame(n / FPS, picture(seer.where)))
        counts.append(len(made))
    assert set(counts) == {1}


def test_without_anybody_there_is_one_observation_without_a_face() -> None:
    made, _, _ = follow(lambda t: {}, 1.0)
    assert len(made) == FPS
    for frame in made:
        (seen,) = frame
        assert (seen.track, seen.box, seen.crop, seen.why) == (None, None, None, "no face")


def test_who_is_missing_is_reported_for_a_while() -> None:
    made, _, _ = follow(lambda t: {"ann": (200.0, 180.0)} if t < 2 else {}, 5.0)
    missing = [frame[0].t for frame in made if frame[0].track == 1 and frame[0].box is None]
    assert missing[0] == pytest.approx(2.5, abs=0.15)  # missing_s
    assert missing[-1] == pytest.approx(3.45, abs=0.15)  # near_s


def test_of_several_each_is_evaluated_in_turn_and_a_single_one_always() -> None:
    both = {"ann": (150.0, 180.0), "bob": (480.0, 180.0)}
    made, _, _ = follow(lambda t: both, 3.0)
    for track in (1, 2):
        crops = [s.crop is not None for frame in made[20:] for s in frame if s.track == track]
        assert sum(crops) / len(crops) == pytest.approx(1 / 3, abs=0.05)
    alone, _, _ = follow(lambda t: {"ann": (150.0, 180.0)}, 2.0)
    assert all(frame[0].crop is not None for frame in alone)


def test_the_whole_picture_is_searched_now_and_then_alone() -> None:
    def way(t: float) -> Where:  # moving, so that nobody rests
        return {"ann": (150 + 60 * np.sin(4 * t), 180.0), "bob": (480 + 60 * np.sin(4 * t), 180.0)}

    _, seer, _ = follow(way, 4.0)
    assert seer.looks <= 4.0 / 0.2 + 4
    assert seer.agains > 40


def test_the_mouth_that_moves_has_motion() -> None:
    seer = Seer()
    tracker = PeopleTracker(seer)
    motion: dict[int, list[float]] = {1: [], 2: []}
    for n in range(60):
        sway = 3 * np.sin(n / 5)
        seer.where = {"ann": (150.0 + sway, 180.0), "bob": (480.0 + sway, 180.0)}
        image = picture(seer.where, {"ann": 0.5 + 0.5 * np.sin(2.2 * n)})
        for seen in tracker.push(VideoFrame(n / FPS, image)):
            assert isinstance(seen, FaceObservation)
            if seen.mouth is not None and seen.box is not None:
                motion[1 if seen.box[0] < 300 else 2].append(seen.mouth)
    assert np.mean(motion[1]) > 5 * np.mean(motion[2]) + 0.01


def test_a_detector_without_numbers_is_an_error_and_leaves_the_people() -> None:
    seer = Seer()
    tracker = PeopleTracker(seer)
    image = picture({"ann": (200.0, 180.0)})
    seer.where = {"ann": (200.0, 180.0)}
    tracker.push(VideoFrame(0.0, image))
    good = seer.detect
    bad = replace(detected(200, 180), score=float("nan"))
    seer.detect = lambda image, t: [bad]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="no numbers"):
        tracker.push(VideoFrame(0.5, image))
    seer.detect = good  # type: ignore[method-assign]
    (seen,) = tracker.push(VideoFrame(0.55, image))
    assert isinstance(seen, FaceObservation)
    assert seen.track == 1


def test_a_stream_that_starts_again_forgets_everybody() -> None:
    seer = Seer()
    tracker = PeopleTracker(seer)
    seer.where = {"ann": (200.0, 180.0)}
    tracker.push(VideoFrame(5.0, picture(seer.where)))
    seer.where = {"cem": (400.0, 180.0)}
    (seen,) = tracker.push(VideoFrame(0.0, picture(seer.where)))
    assert isinstance(seen, FaceObservation)
    assert seen.track == 1


def test_looks_tell_people_apart_in_other_light() -> None:
    looks = {}
    for name in LOOKS:
        for light in (1.0, 0.85):
            image = np.clip(picture({name: (200, 180)}) * light, 0, 255).astype(np.uint8)
            crop = cv2.resize(image[140:220, 160:240], (48, 48))
            looks[name, light] = appearance_of(image, detected(200, 180), crop)
    for one in LOOKS:
        same = looks[one, 1.0].distance(looks[one, 0.85])
        for other in set(LOOKS) - {one}:
            assert looks[one, 1.0].distance(looks[other, 0.85]) > same + 0.2


def test_the_cheapest_assignment_is_of_the_whole() -> None:
    assert _cheapest(np.array([[1.0, 2.0], [1.1, 9.0]])) == [(0, 1), (1, 0)]
    assert _cheapest(np.array([[9.0, 9.0]])) == []
    assert sorted(_cheapest(np.array([[1.0], [0.5], [3.0]]))) == [(1, 0)]
    many = np.full((8, 8), 5.0) - 4 * np.eye(8)
    assert sorted(_cheapest(many)) == [(i, i) for i in range(8)]


@pytest.mark.parametrize("fps", [1.0, 1.5, 5.0])  # the least that --video-fps takes
def test_two_people_are_two_at_few_frames_a_second(fps: float) -> None:
    seer = Seer()
    seer.where = {"ann": (150, 180), "bob": (450, 180)}
    tracker = PeopleTracker(seer)
    image = picture(seer.where)
    frames = [tracker.push(VideoFrame(i / fps, image)) for i in range(4)]
    assert [{m.track for m in made} for made in frames] == [{1}, {1, 2}, {1, 2}, {1, 2}]
