from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmer.realtime.messages import SpeechState
from mmer.realtime.sinks.drawing import COLOURS, GREY, annotate, blank
from mmer.realtime.sinks.state import OverlayState

SIZES = [
    (160, 120), (161, 121), (176, 144), (320, 240), (641, 479), (640, 480), (360, 640),
    (1280, 720), (3840, 2160),
]  # fmt: skip


def state_of(make: SimpleNamespace, *events: object) -> OverlayState:
    state = OverlayState()
    for event in events:
        state.update(event, None)  # type: ignore[arg-type]
    return state


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.any(before != after, axis=2)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_size(make: SimpleNamespace, width: int, height: int) -> None:
    state = state_of(
        make,
        make.speech(1, 0.5, 1.9, SpeechState.ONGOING),
        make.transcript(1, 0.5, 1.9, "I can’t — “really” … café " * 8, partial=True),
        make.face(2.0),
        make.estimate(2.0),
    )
    image = grey(width, height)
    out = annotate(image, state)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert np.all(image == 128)  # the input is left as it is
    drawn = changed(image, out)
    assert drawn[: height // 4, : width // 4].any()  # the label
    assert drawn[-height // 8 :].any()  # the words
    # the words never cover more than the lower part: the face stays visible
    assert not drawn[height * 6 // 10 : height * 7 // 10, width // 3 : width * 2 // 3].all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 9), (50, 400), (400, 50)])
def test_sizes_without_room(make: SimpleNamespace, width: int, height: int) -> None:
    state = state_of(make, make.transcript(1, 0.5, 1.9, "words"), make.estimate(2.0))
    assert annotate(grey(width, height), state).shape == (height, width, 3)


def test_a_view_of_a_larger_picture(make: SimpleNamespace) -> None:
    large = grey(640, 480)
    view = large[::2, ::2]
    out = annotate(view, state_of(make, make.estimate(2.0)))
    assert out.shape == (240, 320, 3)
    assert np.all(large == 128)


def bar_pixels(out: np.ndarray, label: str) -> int:
    return int(np.all(out == COLOURS[label], axis=2).sum())


def test_a_bar_is_as_long_as_its_probability(make: SimpleNamespace) -> None:
    counts = []
    for p in (0.0, 0.3, 0.9):
        estimate = replace(
            make.estimate(2.0, "anger"), probs=make.probabilities("joy", p), modalities={}
        )
        counts.append(bar_pixels(annotate(blank(), state_of(make, estimate)), "joy"))
    assert counts[0] == 0
    assert counts[2] / counts[1] == pytest.approx(3.0, rel=0.1)


def test_the_face_is_drawn_where_it_is_also_on_an_enlarged_picture(make: SimpleNamespace) -> None:
    state = state_of(make, make.face(2.0))
    plain = state_of(make, make.frame(2.0))
    image = grey(640, 480)
    rows, columns = np.nonzero(changed(annotate(image, state, 4.0), annotate(image, plain, 4.0)))
    below = rows > 250  # of the bars
    assert columns[below].min() == pytest.approx(60 * 4, abs=4)
    assert columns[below].max() == pytest.approx(100 * 4, abs=4)
    assert rows[below].max() == pytest.approx(80 * 4, abs=4)


def test_an_old_face_and_old_words_vanish(make: SimpleNamespace) -> None:
    image = grey(320, 240)
    with_all = state_of(make, make.face(1.0), make.transcript(1, 0.0, 1.0, "words"))
    with_all.update(make.estimate(9.0, None, present=()), None)
    bare = state_of(make, make.estimate(9.0, None, present=()))
    lower = slice(140, 240)
    assert np.array_equal(annotate(image, with_all)[lower], annotate(image, bare)[lower])


def test_no_label_has_its_reason_and_no_bars(make: SimpleNamespace) -> None:
    out = annotate(blank(), state_of(make, make.estimate(1.0, None, present=())))
    assert changed(blank(), out).any()
    assert all(bar_pixels(out, label) == 0 for label in ("joy", "anger", "fear"))


def test_nothing_is_drawn_over_a_face_but_its_box(make: SimpleNamespace) -> None:
    image = grey(640, 480)
    estimate = make.estimate(2.0)
    for x in (60.0, 200.0, 420.0):  # of 640
        seen = replace(make.face(2.0), box=(x, 150.0, 160.0, 180.0))
        out = annotate(image, state_of(make, seen, estimate))
        inner = np.s_[160:320, round(x) + 10 : round(x) + 150]
        assert not changed(image, out)[inner].any(), x
        assert changed(image, out)[146:336].any()  # the box


def test_the_bars_stand_where_the_face_is_not_and_do_not_jump(make: SimpleNamespace) -> None:
    image = grey(640, 480)
    state = OverlayState()
    sides = []
    for x in (20.0, 230.0, 260.0, 440.0, 250.0, 230.0, 20.0):
        state.update(replace(make.face(2.0), box=(x, 200.0, 160.0, 180.0)), None)
        state.update(make.estimate(2.0), None)
        drawn = changed(image, annotate(image, state))[60:140]
        sides.append("left" if drawn[:, :160].any() else "right")
    assert sides == ["right", "right", "right", "left", "left", "left", "right"]


def test_a_modality_has_a_bar_of_its_own_label(make: SimpleNamespace) -> None:
    estimate = make.estimate(2.0, "joy", present=("speech",))
    alone = make.estimate(2.0, "joy", present=())
    lengths = [
        bar_pixels(annotate(blank(640, 480), state_of(make, e)), "joy") for e in (estimate, alone)
    ]
    assert lengths[0] > lengths[1]


def test_several_faces_that_leave_no_room_have_their_tags_alone(make: SimpleNamespace) -> None:
    image = grey(640, 480)
    estimate = replace(make.estimate(2.0), person=1)
    faces = [
        replace(make.face(2.0), track=k, box=(x, 80.0, 120.0, 130.0))
        for k, x in ((1, 40.0), (2, 480.0))
    ]
    drawn = changed(image, annotate(image, state_of(make, *faces, estimate)))
    for x in (40, 480):
        assert not drawn[90:200, x + 10 : x + 110].any()
        assert drawn[60:80, x : x + 40].any()  # the tag
    near = replace(faces[1], box=(200.0, 80.0, 120.0, 130.0))
    drawn = changed(image, annotate(image, state_of(make, faces[0], near, estimate)))
    assert drawn[60:200, 440:].any()  # the bars


def below(out: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels of a colour where the transcript stands."""
    return int(np.all(out[out.shape[0] * 8 // 10 :] == colour, axis=2).sum())


def spoken_label(make: SimpleNamespace, label: str, provisional: bool) -> object:
    made = make.estimate(2.0, label, window=(0.5, 1.9), utterance=1, final=not provisional)
    return replace(made, provisional=provisional)


@pytest.mark.parametrize("label", ["joy", "anger", "sadness"])
@pytest.mark.parametrize("words", ["I am so happy", ""])
@pytest.mark.parametrize("before", [False, True], ids=["first", "after another"])
def test_a_provisional_label_is_paler_and_goes_when_speech_goes_on(
    make: SimpleNamespace, label: str, words: str, before: bool
) -> None:
    pale = tuple((c + g) // 2 for c, g in zip(COLOURS[label], GREY, strict=True))
    earlier = (make.transcript(0, 0.1, 0.4, "another sentence"),) if before else ()
    partial = make.transcript(1, 0.5, 1.9, words, partial=True)
    state = state_of(make, *earlier, make.speech(1, 0.5, 1.9, SpeechState.PAUSED), partial)
    plain = annotate(blank(), state)
    state.update(spoken_label(make, label, provisional=True), None)  # type: ignore[arg-type]
    shown = annotate(blank(), state)
    assert below(plain, pale) == 0
    assert below(shown, pale) > 20
    assert below(shown, COLOURS[label]) == 0
    if before and not words:  # the words of the utterance before are not beside it
        assert changed(blank(), shown)[-60:].sum() < changed(blank(), plain)[-60:].sum()
    state.update(make.speech(1, 0.5, 2.2, SpeechState.ONGOING), None)
    assert np.array_equal(annotate(blank(), state)[-60:], plain[-60:])


def test_a_final_label_stands_beside_its_words(make: SimpleNamespace) -> None:
    state = state_of(
        make,
        make.transcript(1, 0.5, 1.9, "I am so happy"),
        spoken_label(make, "joy", provisional=False),
    )
    assert below(annotate(blank(), state), COLOURS["joy"]) > 20


@pytest.mark.parametrize(("width", "height"), [*SIZES, (1, 1), (16, 9), (50, 400), (400, 50)])
def test_a_provisional_label_at_every_size(make: SimpleNamespace, width: int, height: int) -> None:
    events = (
        make.transcript(1, 0.5, 1.9, "I am so very happy " * 9, partial=True),
        spoken_label(make, "surprise", provisional=True),
    )
    for state in (state_of(make, *events), state_of(make, events[1])):
        assert annotate(grey(width, height), state).shape == (height, width, 3)
