"""The person's baseline: learned causally, counted once, bounded, for each track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.prediction import log_softmax
from mmer.realtime.blocks.baseline import (
    READING,
    SESSION,
    TRACKS,
    BaselineConfig,
    Baselined,
    KnownOffset,
    Offset,
    Relative,
)
from mmer.realtime.blocks.block import Block
from mmer.realtime.messages import Evidence, Message, Missing

SHIFT = np.array([-1.0, 0.5, -0.5, -1.0, 2.5, 0.0, -0.5])
"""A person who seems neutral to the network."""


def shown(emotion: int, rng: np.random.Generator, noise: float = 0.5) -> NDArray[np.float64]:
    logits = 2.5 * np.eye(7)[emotion] + rng.normal(0, noise, 7)
    return log_softmax(logits)


def evidence(log_probs: NDArray[np.float64], modality: str = "speech", **given: object) -> Evidence:
    values: dict = {"t0": 0.0, "t1": 1.0, "quality": 1.0, "partial": False, "utterance": 1}
    return Evidence(modality, log_probs=log_probs.astype(np.float32), **(values | given))  # type: ignore[arg-type]


class Echo(Block):
    """Gives back what it is pushed."""

    def __init__(self) -> None:
        self.resets = 0

    def push(self, message: Message) -> Sequence[Message]:
        return (message,)

    def reset(self) -> None:
        self.resets += 1


def through(block: Baselined, message: Evidence) -> NDArray[np.float32]:
    (made,) = block.push(message)
    assert isinstance(made, Evidence)
    return made.log_probs


def right(shift: NDArray[np.float64], adapt: bool, count: int = 140) -> float:
    rng = np.random.default_rng(0)
    offset = Offset(SESSION["speech"])
    hits = 0
    for k in range(count):
        x = log_softmax(shown(k % 7, rng) + shift)
        answer = offset.corrected(x) if adapt else x
        offset.add(x)
        hits += answer.argmax() == k % 7
    return hits / count


def test_a_shifted_person_is_understood_better_and_an_unshifted_one_as_well() -> None:
    assert right(SHIFT, adapt=False) < 0.75
    assert right(SHIFT, adapt=True) > right(SHIFT, adapt=False) + 0.1
    assert right(0 * SHIFT, adapt=True) > right(0 * SHIFT, adapt=False) - 0.02


def test_a_person_who_is_of_one_emotion_throughout_keeps_it() -> None:
    rng = np.random.default_rng(1)
    offset = Offset(SESSION["speech"])
    hits = 0
    for _ in range(100):
        x = shown(3, rng)
        hits += int(offset.corrected(x).argmax()) == 3
        offset.add(x)
    assert hits >= 90  # a plain mean leaves one in seven


def test_the_first_answer_is_nearly_the_networks_own() -> None:
    x = log_softmax(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]))
    corrected = Offset(SESSION["speech"]).corrected(x)
    assert np.abs(corrected - x).max() < 0.3
    np.testing.assert_allclose(np.exp(corrected).sum(), 1, atol=1e-5)


def test_offsets_are_bounded_and_the_past_fades() -> None:
    config = BaselineConfig(prior=1.0, memory=5.0, largest=2.0)
    offset = Offset(config)
    extreme = log_softmax(np.array([40.0, 0, 0, 0, 0, 0, -40.0]))
    for _ in range(200):
        offset.add(extreme)
    assert np.abs(offset.value).max() <= 2.0
    rng = np.random.default_rng(0)
    for k in range(200):
        offset.add(shown(k % 7, rng, 0.1))
    assert np.abs(offset.value).max() < 0.7
    assert offset.seen == 400


@pytest.mark.parametrize("bad", [np.full(7, np.nan), np.full(7, -np.inf)])
def test_what_is_no_number_passes_and_leaves_no_trace(bad: NDArray[np.float64]) -> None:
    offset = Offset(SESSION["face"])
    np.testing.assert_array_equal(offset.corrected(bad), bad.astype(np.float32))
    offset.add(bad)
    assert offset.seen == 0
    assert not offset.value.any()


def test_an_emotion_ruled_out_stays_ruled_out() -> None:
    x = np.log(np.array([0.0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1]) + 1e-300)
    x[0] = -np.inf
    offset = Offset(SESSION["speech"])
    offset.add(x)
    corrected = offset.corrected(x)
    assert corrected[0] == -np.inf
    assert np.isfinite(corrected[1:]).all()


def test_provisional_and_final_answers_of_an_utterance_count_once_and_agree() -> None:
    rng = np.random.default_rng(2)
    block, once = Baselined(Echo(), "speech"), Baselined(Echo(), "speech")
    for k in range(9):
        x = log_softmax(shown(k % 7, rng) + SHIFT)
        provisional = through(block, evidence(x, partial=True, utterance=k))
        final = through(block, evidence(x, utterance=k))
        np.testing.assert_array_equal(provisional, final)
        np.testing.assert_array_equal(final, through(once, evidence(x, utterance=k)))
    assert block.baselines.seen == once.baselines.seen == 9


def test_a_withdrawn_answer_leaves_no_trace() -> None:
    rng = np.random.default_rng(3)
    x, y = shown(0, rng), shown(4, rng)
    block, other = Baselined(Echo(), "speech"), Baselined(Echo(), "speech")
    for _ in range(5):
        through(block, evidence(x, partial=True))
    np.testing.assert_array_equal(through(block, evidence(y)), through(other, evidence(y)))


def test_a_face_counts_by_the_time_it_is_seen_whatever_the_frame_rate() -> None:
    x = log_softmax(shown(4, np.random.default_rng(4)) + SHIFT)
    ends = []
    for fps in (10, 40):
        block = Baselined(Echo(), "face")
        for k in range(20 * fps + 1):
            last = through(block, evidence(x, "face", t0=k / fps, t1=k / fps, partial=True))
        assert block.baselines.seen in (19, 20)
        ends.append(last)
    np.testing.assert_allclose(*ends, atol=0.02)


def test_each_track_has_its_own_baseline_and_the_oldest_are_dropped() -> None:
    rng = np.random.default_rng(5)
    block = Baselined(Echo(), "face")

    def frame(track: int, t: float, shift: NDArray[np.float64]) -> NDArray[np.float32]:
        x = log_softmax(2.5 * np.eye(7)[int(rng.integers(7))] + shift)
        return through(block, evidence(x, "face", t0=t, t1=t, partial=True, track=track))

    for k in range(600):
        frame(1, k / 10, SHIFT)
        frame(2, k / 10, -SHIFT)
    people = block.baselines._people
    first, second = people[1].value, people[2].value
    assert np.corrcoef(first, SHIFT)[0, 1] > 0.8
    assert np.corrcoef(second, -SHIFT)[0, 1] > 0.8
    for track in range(10, 10 + TRACKS):
        frame(track, 60.0, SHIFT)
    assert set(people) == set(range(10, 10 + TRACKS))
    assert set(block.baselines._last_t) == set(people)


def test_a_clip_of_a_face_counts_once_for_its_length() -> None:
    block = Baselined(Echo(), "face")
    x = shown(4, np.random.default_rng(6))
    through(block, evidence(x, "face", t0=0.0, t1=3.0, partial=True))
    assert block.baselines.seen == 0
    through(block, evidence(x, "face", t0=0.0, t1=5.0))
    assert block.baselines.seen == 5


def test_a_known_offset_is_the_same_throughout() -> None:
    known = KnownOffset(SHIFT - SHIFT.mean(), 14.0)
    block = Baselined(Echo(), "speech", known)
    x = shown(3, np.random.default_rng(7))
    expected = log_softmax(x - SHIFT)
    for _ in range(3):
        np.testing.assert_allclose(through(block, evidence(x)), expected, atol=1e-5)
    assert block.baselines.seen == 14
    assert known.progress == pytest.approx(14 / 26)  # half a minute of reading is no whole baseline
    assert KnownOffset(SHIFT, 0.0).progress == 0

    for track in range(100):  # whoever passes by leaves nothing
        through(block, evidence(x, "speech", track=track))
    assert not block.baselines._people
    assert not block.baselines._last_t


def test_other_messages_and_modalities_pass_as_they_are() -> None:
    block = Baselined(Echo(), "speech")
    missing = Missing("speech", 0.0, 1.0, "too quiet", False, 1)
    assert list(block.push(missing)) == [missing]
    text = evidence(shown(0, np.random.default_rng(8)), "text")
    assert list(block.push(text)) == [text]


def test_reset_forgets_the_person_and_next_stream_does_not() -> None:
    inner = Echo()
    block = Baselined(inner, "speech")
    x = log_softmax(shown(4, np.random.default_rng(9)) + SHIFT)
    for _ in range(10):
        through(block, evidence(x))
    learned = through(block, evidence(x, partial=True))
    block.next_stream()
    np.testing.assert_array_equal(through(block, evidence(x, partial=True)), learned)
    block.forget()
    fresh = through(Baselined(Echo(), "speech"), evidence(x, partial=True))
    np.testing.assert_array_equal(through(block, evidence(x, partial=True)), fresh)
    through(block, evidence(x))
    block.reset()
    assert inner.resets == 2
    np.testing.assert_array_equal(through(block, evidence(x, partial=True)), fresh)
    assert block.baselines.seen == 0


def test_reading_aloud_takes_the_reader_to_be_neutral() -> None:
    """A reader who sounds angry to the network is corrected towards neutral."""
    angry = log_softmax(1.5 * np.eye(7)[0] + 1.0 * np.eye(7)[EMOTIONS.index("neutral")])
    reading, session = Offset(READING["speech"], neutral=True), Offset(READING["speech"])
    for _ in range(14):
        reading.add(angry)
        session.add(angry)
    assert angry.argmax() == 0
    assert EMOTIONS[int(log_softmax(angry - reading.value).argmax())] == "neutral"
    assert reading.value[0] > session.value[0]


@pytest.mark.parametrize(
    "values", [{"prior": 0.0}, {"prior": 1.0, "evenness": 2.0}, {"prior": 1.0, "usual": 0.1}]
)
def test_wrong_configurations_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(MmerError):
        BaselineConfig(**values)


CALM = log_softmax(2.0 * np.eye(7)[4])


class Widening:
    """A learned baseline that makes three times the difference from the mean of it."""

    prior_s = 4.0

    def corrected(
        self,
        log_probs: NDArray[np.float64],
        mean: NDArray[np.float64],
        probs: NDArray[np.float64],
        progress: float,
    ) -> NDArray[np.float32]:
        assert probs.sum() == pytest.approx(1)
        relative = (1 - progress) * log_probs + 3 * progress * (log_probs - mean)
        return log_softmax(relative).astype(np.float32)


def relative() -> Relative:
    return Relative(Widening(), SESSION["face"])  # type: ignore[arg-type]


def test_a_learned_baseline_finds_what_differs_from_the_person_and_reads_no_future() -> None:
    rng, person = np.random.default_rng(0), relative()
    usual, other = CALM, log_softmax(CALM + np.eye(7)[6])
    assert person.corrected(usual, 0.0) == pytest.approx(usual, abs=1e-6)
    assert person.progress == 0
    for _ in range(40):
        person.add(log_softmax(usual + rng.normal(0, 0.1, 7)), 0.5)
    before = person.corrected(other, 0.05)
    assert before.argmax() == 6
    assert other.argmax() == 4
    assert (person.corrected(other, 0.05) == before).all()  # asking teaches nothing
    assert person.seen == pytest.approx(20)
    assert person.progress == pytest.approx(20 / 24)


def test_a_learned_baseline_ignores_what_is_no_number_and_fades() -> None:
    person, wrong = relative(), np.full(7, np.nan)
    person.add(wrong, 1.0)
    person.add(shown(3, np.random.default_rng(1)), 0.0)
    assert (person.seen, person.progress) == (0.0, 0.0)
    assert np.isnan(person.corrected(wrong, 1.0)).all()
    nearly_none = np.full(7, -np.inf)
    nearly_none[3] = 0.0
    assert np.isfinite(person.corrected(nearly_none, 1.0)).all()
    old, new = log_softmax(np.eye(7)[0]), log_softmax(np.eye(7)[1])
    for x in (old, new, new, new):
        for _ in range(10):
            person.add(x, 100.0)
    # of 3,000 s of the new nothing of the old is left
    assert person.corrected(new, 1.0) == pytest.approx(
        Widening().corrected(new, new, np.exp(new), 301 / 305), abs=0.05
    )


def test_of_one_emotion_alone_a_learned_baseline_learns_nearly_nothing() -> None:
    joyful, mixed = relative(), relative()
    for k in range(60):
        joyful.add(log_softmax(12.0 * np.eye(7)[3]), 1.0)
        mixed.add(log_softmax(12.0 * np.eye(7)[k % 7]), 1.0)
    assert joyful.progress < 0.01
    assert mixed.progress == pytest.approx(60 / 64)


def test_each_face_has_a_learned_baseline_of_its_own() -> None:
    block = Baselined(Echo(), "face", learned=Widening())  # type: ignore[arg-type]
    calm, other = CALM, log_softmax(CALM + np.eye(7)[6])
    for k in range(200):
        t = 0.1 * k
        through(block, evidence(calm, "face", t0=t, t1=t, partial=True, track=1))
    known = through(block, evidence(other, "face", t0=20.0, t1=20.0, partial=True, track=1))
    unknown = through(block, evidence(other, "face", t0=20.0, t1=20.0, partial=True, track=2))
    assert (known.argmax(), unknown.argmax()) == (6, 4)
    block.reset()
    again = through(block, evidence(other, "face", t0=0.0, t1=0.0, partial=True, track=1))
    assert again == pytest.approx(unknown)
