"""The tracker's rules, with a detector that says what the test tells it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.face_detector import DetectedFace
from mmer.realtime.blocks.face_tracker import FaceConfig, FaceTracker
from mmer.realtime.messages import FaceObservation, Gap, VideoFrame

Faces = Sequence[DetectedFace]


def face(x: float, y: float = 240.0, side: float = 100.0, score: float = 0.9) -> DetectedFace:
    """A face with its middle at ``x``, ``y``."""
    eyes = np.array([(x - 0.2 * side, y - 0.1 * side), (x + 0.2 * side, y - 0.1 * side)])
    return DetectedFace(
        (x - side / 2, y - side / 2, side, side),
        eyes.astype(np.float32),
        (x, y + 0.1 * side),
        score,
    )


class Told:
    """Reports the faces of a function of time."""

    name = "told"

    def __init__(self, at: Callable[[float], Faces]) -> None:
        self.at = at
        self.resets = 0

    def detect(self, image: np.ndarray, t: float) -> list[DetectedFace]:
        return list(self.at(t))

    def reset(self) -> None:
        self.resets += 1


def texture(height: int = 480, width: int = 640) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (height, width, 3), np.uint8)


IMAGE = texture()


def observe(
    at: Callable[[float], Faces],
    seconds: float = 2.0,
    fps: float = 15.0,
    config: FaceConfig | None = None,
    image: np.ndarray = IMAGE,
) -> list[FaceObservation]:
    frames = [VideoFrame(i / fps, image) for i in range(round(seconds * fps))]
    # the frames are one image, whatever the detector says of it: none may stand for the next
    config = replace(config or FaceConfig(), stands_s=0.0)
    seen = run(FaceTracker(Told(at), CropGeometry(), config), frames)
    assert [o.t for o in seen] == [f.t for f in frames]  # one for each
    return seen


def test_one_face_is_one_track() -> None:
    seen = observe(lambda t: [face(200 + 100 * t)])
    assert {o.track for o in seen} == {1}
    for o in seen:
        assert o.crop.shape == (48, 48, 3)
        assert o.crop.flags.c_contiguous
        assert o.eyes.shape == (2, 2)
        assert 0 < o.quality <= 1


def test_no_face_is_said_so() -> None:
    for o in observe(lambda t: []):
        assert (o.track, o.box, o.eyes, o.crop, o.quality) == (None, None, None, None, 0.0)
        assert o.why == "no face"


def test_the_largest_face_is_followed_whatever_the_order() -> None:
    faces = [face(100, side=60), face(400, side=140), face(560, side=90)]
    for order in (faces, faces[::-1]):
        first = observe(lambda t, order=order: order, seconds=0.2)[0]
        assert first.box[2] == pytest.approx(140)


def test_of_two_alike_the_central_face_is_followed() -> None:
    first = observe(lambda t: [face(80), face(330), face(590)], seconds=0.2)[0]
    assert first.box[0] == pytest.approx(280)


def test_a_larger_face_that_comes_later_does_not_take_over() -> None:
    seen = observe(lambda t: [face(200)] + ([face(450, side=250)] if t > 1 else []))
    assert {o.track for o in seen} == {1}
    assert seen[-1].box[2] == pytest.approx(100)


def test_a_short_absence_keeps_the_track_and_lets_no_other_in() -> None:
    def at(t: float) -> Faces:
        other = face(500, side=150)
        return [other] if 1 < t < 1.4 else [face(200), other] if t >= 1.4 else [face(200)]

    seen = observe(at, config=FaceConfig(lost_s=0.5, rest_s=0.0))
    away = [o for o in seen if 1 < o.t < 1.4]
    assert away
    assert all(o.box is None and o.why == "no face" for o in away)
    assert {o.track for o in seen if o.box is not None} == {1}
    assert seen[-1].box[0] == pytest.approx(150)


def test_a_long_absence_ends_the_track() -> None:
    seen = observe(lambda t: [] if 0.5 < t < 1.5 else [face(200)], seconds=2.0)
    assert [o.track for o in seen if o.t <= 0.5] == [1] * 8
    assert {o.track for o in seen if o.t >= 1.5} == {2}


def test_the_next_face_follows_when_the_first_is_given_up() -> None:
    seen = observe(lambda t: [face(200), face(450)][t > 0.5 :][:1], config=FaceConfig(lost_s=0.3))
    tracks = [o.track for o in seen]
    assert tracks[0] == 1
    assert tracks[-1] == 2
    given_up = next(o.t for o in seen if o.track == 2)
    assert 0.75 < given_up < 0.95


def test_few_pictures_a_second_are_no_reason_to_lose_a_face() -> None:
    seen = observe(lambda t: [face(200 + 20 * t)], seconds=10, fps=1, config=FaceConfig(lost_s=0.5))
    assert {o.track for o in seen} == {1}


def test_a_doubtful_face_starts_no_track_but_may_continue_one() -> None:
    def at(t: float) -> Faces:
        return [face(200, score=0.9 if 0.5 < t < 1 else 0.1)]

    seen = observe(at, config=FaceConfig(min_score=0.4))
    assert all(o.box is None for o in seen if o.t <= 0.5)
    assert all(o.track == 1 for o in seen if o.t > 0.55)


def test_a_resting_face_is_steadied() -> None:
    noise = {round(t * 15): n for t, n in zip(np.arange(60) / 15, _jitter(60), strict=True)}
    seen = observe(lambda t: [face(300 + noise[round(t * 15)])], seconds=4)
    raw = np.std([noise[i] for i in range(10, 60)])
    steadied = np.std([o.eyes[0, 0] for o in seen[10:]])
    assert steadied < 0.75 * raw


def _jitter(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1.0, n)


def test_a_moving_face_is_not_left_behind() -> None:
    seen = observe(lambda t: [face(100 + 200 * t)], seconds=2.0)  # five eye distances a second
    behind = [100 + 200 * o.t - 20 - o.eyes[0, 0] for o in seen[5:]]
    assert max(np.abs(behind)) < 0.15 * 40


def test_smoothing_goes_by_capture_time_not_by_count() -> None:
    """The same motion at 10 and at 30 pictures a second ends in the same place."""
    slow, fast = (
        observe(lambda t: [face(200 + 60 * min(t, 1.0))], seconds=3, fps=fps)[-1].eyes
        for fps in (10, 30)
    )
    assert np.allclose(slow, fast, atol=0.5)


def test_a_face_that_comes_back_is_taken_where_it_is_at_once() -> None:
    seen = observe(lambda t: [face(200)] if t < 1 else [] if t < 1.3 else [face(240)])
    back = next(o for o in seen if o.t >= 1.3)
    assert back.track == 1
    assert back.eyes[0, 0] == pytest.approx(220)


@pytest.mark.parametrize(
    ("faces", "image", "why"),
    [
        ([face(300, side=18)], IMAGE, "too small"),
        ([face(300)], np.zeros_like(IMAGE), "too dark"),
        ([face(300)], (IMAGE // 24), "too dark"),
        ([face(-10)], IMAGE, "cut off"),
    ],
)
def test_a_poor_face_has_low_quality_and_a_reason(
    faces: Faces, image: np.ndarray, why: str
) -> None:
    for o in observe(lambda t: faces, image=image):
        assert o.track == 1
        assert o.quality < 0.5
        assert o.why == why
        assert o.crop is not None


def test_other_messages_are_passed_over() -> None:
    tracker = FaceTracker(Told(lambda t: [face(200)]))
    assert list(tracker.push(Gap("video", 0.0, float("inf"), "no camera"))) == []
    assert list(tracker.flush()) == []


def test_reset_starts_again() -> None:
    detector = Told(lambda t: [face(200)] if t < 0.1 or t > 2 else [])
    tracker = FaceTracker(detector)
    frames = [VideoFrame(t, IMAGE) for t in (0.0, 1.0, 2.0, 3.0)]
    assert run(tracker, frames)[-1].track == 2
    tracker.reset()
    assert detector.resets == 1
    (first,) = tracker.push(VideoFrame(0.0, IMAGE))
    assert first.track == 1
    assert first.eyes[0, 0] == pytest.approx(180)


@pytest.mark.parametrize("settings", [{"lost_s": -1.0}, {"smoothing_hz": 0.0}, {"stands_s": -1.0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(MmerError, match="face tracking"):
        FaceConfig(**settings)


def looked(at: Callable[[float], Faces], fps: float = 20.0) -> tuple[list[float], list]:
    """When the detector was asked in two seconds, and what was observed."""
    asked: list[float] = []

    def noted(t: float) -> Faces:
        asked.append(t)
        return at(t)

    return asked, observe(noted, fps=fps)


def test_a_face_at_rest_is_looked_for_only_now_and_then() -> None:
    asked, seen = looked(lambda t: [face(200 + 0.2 * (-1) ** round(20 * t))])
    assert len(seen) == 40
    assert len(asked) == 21  # the first two pictures tell that it rests
    assert max(np.diff(asked)) < 0.101
    assert all(o.crop is not None for o in seen)
    assert {o.track for o in seen} == {1}


def test_a_moving_face_is_looked_for_in_every_picture() -> None:
    asked, _ = looked(lambda t: [face(150 + 60 * t)])
    assert len(asked) >= 38


def test_a_resting_face_that_goes_or_moves_is_noticed_soon() -> None:
    _, gone = looked(lambda t: [face(200)] if t <= 1.0 else [])
    assert [o.t for o in gone if o.box is not None][-1] < 1.1
    _, moved = looked(lambda t: [face(200 if t <= 1.0 else 260)])
    late = [o for o in moved if o.t >= 1.1]
    assert all(o.box is not None and o.box[0] > 170 for o in late)


def pictures(change: float) -> tuple[list[float], list[FaceObservation]]:
    """When the detector was asked over two seconds of a face whose image changes, in its midst.

    ``change`` is from each frame to the next, in standard deviations of the face's image.
    """
    asked: list[float] = []

    def noted(t: float) -> Faces:
        asked.append(t)
        return [face(320)]

    bars = np.full((480, 640, 3), 80, np.float64)
    bars[:, 320:] = 160  # half of the face: a deviation of 40
    frames = []
    for i in range(40):
        image = bars.copy()
        image[190:290, 270:320] += change * 40 * np.sqrt(2) * i
        frames.append(VideoFrame(i / 20, image.astype(np.uint8)))
    config = FaceConfig(rest_s=0.0)  # or it would be taken to be where it was
    return asked, run(FaceTracker(Told(noted), CropGeometry(), config), frames)


def test_what_was_found_stands_for_frames_without_change() -> None:
    asked, seen = pictures(0.0)
    assert asked == pytest.approx(np.arange(8) / 4)  # every 0.25 s all the same
    assert [o.t for o in seen] == pytest.approx(np.arange(40) / 20)
    assert {o.track for o in seen} == {1}
    assert all(o.crop is seen[0].crop for o in seen[:5])


def test_a_face_that_changes_is_looked_for_again() -> None:
    asked, _ = pictures(0.06)
    assert len(asked) == 40
    slowly, _ = pictures(0.015)  # what changes little by little adds up
    assert 8 < len(slowly) < 20


def test_nothing_stands_after_a_reset_or_for_time_that_went_back() -> None:
    asked: list[float] = []

    def noted(t: float) -> Faces:
        asked.append(t)
        return [face(320)]

    tracker = FaceTracker(Told(noted))
    for t in (5.0, 5.1, 3.0):
        tracker.push(VideoFrame(t, IMAGE))
    assert asked == [5.0, 3.0]
    tracker.reset()
    tracker.push(VideoFrame(3.1, IMAGE))
    assert asked == [5.0, 3.0, 3.1]
