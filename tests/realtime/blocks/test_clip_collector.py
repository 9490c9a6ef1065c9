import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.clip_collector import ClipCollector, ClipConfig
from mmer.realtime.messages import (
    Clip,
    FaceObservation,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
    Tick,
    VideoFrame,
)


def face(t: float, quality: float = 0.8, why: str = "") -> FaceObservation:
    crop = np.full((8, 8, 3), round(10 * t), np.uint8)
    return FaceObservation(t, 1, (0.0, 0.0, 9.0, 9.0), None, crop, quality, why)


def no_face(t: float) -> FaceObservation:
    return FaceObservation(t, None, None, None, None, 0.0, "no face")


def frame(t: float, height: int = 90, width: int = 160) -> VideoFrame:
    return VideoFrame(t, np.full((height, width, 3), round(10 * t), np.uint8))


def speech(t0: float, t1: float, state: SpeechState = SpeechState.ONGOING) -> SpeechUpdate:
    return SpeechUpdate(7, t0, t1, state, np.zeros(1, np.int16), t1)


def tenths(first: int, last: int) -> list[float]:
    return [i / 10 for i in range(first, last)]


def collector(count: int = 4, **config: float) -> ClipCollector:
    return ClipCollector(count, 32, ClipConfig(**config))


def when(clip: Message) -> list[float]:
    """When its pictures were taken: their brightness tells."""
    assert isinstance(clip, Clip)
    return [float(picture.flat[0]) / 10 for picture in clip.pictures]


def test_every_step_the_window_is_shown_by_pictures_evenly_spread() -> None:
    out = run(collector(window_s=2.0), [face(t) for t in tenths(0, 41)])
    assert len(out) == 9  # at 0, 0.5, ... 4 s
    assert [when(clip) for clip in out[:2]] == [[0.0], [0.0, 0.2, 0.3, 0.5]]
    last = out[-1]
    assert isinstance(last, Clip)
    assert when(last) == [2.2, 2.7, 3.3, 3.8]
    assert (last.t0, last.t1, last.quality) == (2.2, 3.8, pytest.approx(0.8))
    assert (last.partial, last.utterance, last.track) == (True, None, 1)


def test_of_an_utterance_all_of_it_is_shown_and_its_end_once_more() -> None:
    block = collector(window_s=1.0)
    run_up = [face(t) for t in tenths(0, 10)]
    spoken = [m for t in tenths(10, 40) for m in (speech(1.0, t), face(t))]
    end = speech(1.0, 3.5, SpeechState.ENDED)
    out = run(block, [*run_up, *spoken, end, *map(face, (4.0, 4.5))])
    partial = [c for c in out if isinstance(c, Clip) and c.utterance == 7 and c.partial]
    assert all(min(when(c)) >= 1.0 for c in partial)
    assert min(when(partial[-1])) < 2.0  # longer than the window
    (final,) = [c for c in out if isinstance(c, Clip) and not c.partial]
    assert final.utterance == 7
    assert 1.0 <= final.t0 < final.t1 <= 3.5
    assert min(when(final)) < 1.5
    assert out[-1].utterance is None  # back to the window


def test_of_a_long_utterance_the_newest_part_is_shown_and_memory_is_bounded() -> None:
    block = collector(longest_s=3.0, window_s=2.0, fps=5.0)
    out = run(block, [m for t in np.arange(0, 25, 0.04) for m in (speech(0.0, t), face(float(t)))])
    assert len(block._kept) <= 3.0 * 5 + 2
    last = out[-1]
    assert isinstance(last, Clip)
    assert 21.5 <= last.t0 <= last.t1 <= 25


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (no_face, "no face"),
        (lambda t: face(t, 0.05, "blurred"), "poor picture: blurred"),
        (lambda t: face(t, 0.0), "poor picture: low quality"),
    ],
)
def test_without_a_face_it_is_told_why(seen, why: str) -> None:
    out = run(collector(), [seen(t) for t in tenths(0, 11)])
    assert [m.t1 for m in out] == [0.0, 0.5, 1.0]
    for missing in out:
        assert isinstance(missing, Missing)
        assert (missing.modality, missing.why, missing.partial) == ("face", why, True)


def test_what_was_shown_is_not_shown_again_when_the_face_has_gone() -> None:
    out = run(collector(), [*map(face, tenths(0, 5)), *map(no_face, tenths(5, 20))])
    assert [type(m) for m in out] == [Clip, Clip, Missing, Missing]
    assert out[1].t1 == 0.4


def test_whole_frames_are_kept_small_and_in_shape() -> None:
    out = run(collector(), [frame(t) for t in tenths(0, 11)])
    assert all(isinstance(c, Clip) and c.pictures.shape[1:] == (32, 57, 3) for c in out)
    assert out[-1].quality == 1.0


def test_a_camera_may_change_its_format() -> None:
    frames = [*(frame(t) for t in tenths(0, 7)), *(frame(t, 120, 160) for t in tenths(7, 12))]
    out = run(collector(), frames)
    assert out[-1].pictures.shape[1:] == (32, 43, 3)
    assert min(when(out[-1])) >= 0.7


def test_other_messages_pass_and_reset_forgets() -> None:
    block = collector()
    assert block.push(Tick(1.0)) == ()
    first = run(block, [face(t) for t in tenths(0, 11)])
    block.reset()
    again = run(block, [face(t) for t in tenths(0, 11)])
    assert [when(c) for c in first] == [when(c) for c in again]


def test_an_utterance_without_a_picture_has_no_clip() -> None:
    assert run(collector(), [speech(0, 1), speech(0, 1.5, SpeechState.ENDED)]) == []


@pytest.mark.parametrize("wrong", [{"step_s": 0}, {"fps": -1}, {"min_quality": 2}])
def test_wrong_values_are_refused(wrong: dict) -> None:
    with pytest.raises(MmerError, match=next(iter(wrong))):
        ClipConfig(**wrong)
