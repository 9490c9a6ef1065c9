"""The wait for the end of an utterance, as it follows a speaker and the noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mmer.realtime.blocks.patience import LEAST_S, MOST_S, Patience
from mmer.realtime.blocks.speech_detector import FRAME, FRAME_S, FrameActivity
from mmer.realtime.blocks.vad import Vad, VadConfig
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, SpeechState


def test_it_begins_with_what_it_is_given() -> None:
    assert Patience(0.3).wait_s(None) == pytest.approx(0.3)


@pytest.mark.parametrize(("pause_s", "wait_s"), [(0.04, 0.2), (0.1, 0.23), (0.3, 0.4), (0.6, 0.5)])
def test_it_follows_the_speakers_pauses_within_bounds(pause_s: float, wait_s: float) -> None:
    patience = Patience(0.3)
    waits = []
    for _ in range(60):
        patience.went_on(pause_s)
        waits.append(patience.wait_s(None))
    assert waits == pytest.approx(sorted(waits, reverse=wait_s < 0.3))
    assert abs(waits[0] - 0.3) < 0.03  # one pause says little
    assert waits[-1] == pytest.approx(wait_s, abs=0.02)
    assert LEAST_S <= min(waits) <= max(waits) <= MOST_S
    patience.reset()
    assert patience.wait_s(None) == pytest.approx(0.3)


def test_gaps_within_a_sound_and_between_utterances_are_no_pauses() -> None:
    patience = Patience(0.3)
    for _ in range(60):
        patience.went_on(0.02)
        patience.went_on(1.5)
    assert patience.wait_s(None) == pytest.approx(0.3)


def test_noise_makes_it_longer() -> None:
    patience = Patience(0.3)
    waits = [patience.wait_s(level) for level in (-90.0, -68.0, -63.0, -58.0, -30.0)]
    assert waits == pytest.approx([0.3, 0.3, 0.39, 0.48, 0.48])


def test_the_wait_gets_shorter_by_many_pauses_and_none_that_is_longer() -> None:
    patience = Patience(0.3)
    for _ in range(59):
        patience.went_on(0.06)
        assert patience.wait_s(None) == pytest.approx(0.3)
    patience.went_on(0.06)
    assert patience.wait_s(None) == pytest.approx(0.25 * 0.3 + 0.75 * 0.18)
    patience.went_on(0.25)
    assert patience.wait_s(None) == pytest.approx(0.3)
    for _ in range(7):  # an eighth of them halting: now it is longer
        patience.went_on(0.25)
    assert patience.wait_s(None) == pytest.approx(0.3 + 0.75 * 0.07)


class Script:
    """Detector that says what it is told, frame by frame; long speech may lift its noise floor."""

    noise_dbfs: float | None = None
    in_speech_dbfs: float | None = None

    def __init__(self, voiced: Sequence[bool]) -> None:
        self._voiced = iter(voiced)
        self._speech = 0

    def detect(self, frame: np.ndarray) -> FrameActivity:
        voiced = next(self._voiced, False)
        self._speech = self._speech + 1 if voiced else 0
        if self.in_speech_dbfs is not None and self._speech * FRAME_S > 1.0:
            self.noise_dbfs = self.in_speech_dbfs
        return FrameActivity(voiced, voiced)

    def interrupt(self) -> None: ...

    def reset(self) -> None: ...


def ends_s(
    pattern: Sequence[tuple[bool, float]],
    noise_dbfs: float | None = None,
    adaptive: bool = True,
    in_speech_dbfs: float | None = None,
) -> list[float]:
    """Wait before each end of an utterance in sound that is speech or not for so long."""
    voiced = [v for v, seconds in pattern for _ in range(round(seconds / FRAME_S))]
    detector = Script(voiced)
    detector.noise_dbfs, detector.in_speech_dbfs = noise_dbfs, in_speech_dbfs
    vad = Vad(VadConfig(adaptive=adaptive), detector)
    ends = []
    for n in range(len(voiced)):
        block = AudioBlock(n * FRAME / SAMPLE_RATE, np.zeros(FRAME, np.int16))
        for update in vad.push(block):
            if update.state is SpeechState.ENDED:
                ends.append(update.decided - update.t1 + vad.config.tail_s)
    return ends


FLUENT = [(True, 0.5), (False, 0.06)] * 60 + [(True, 0.5), (False, 1.0)]


def test_who_makes_short_pauses_is_answered_sooner() -> None:
    assert ends_s([(True, 0.5), (False, 1.0)]) == pytest.approx([0.3])
    assert ends_s(FLUENT)[-1] == pytest.approx(0.2)


def test_who_halts_is_waited_for() -> None:
    """Pauses of 0.4 s split the first sentences, and the later ones no more."""
    halting = [(True, 0.6), (False, 0.4), (True, 0.6), (False, 1.5)] * 30
    ends = ends_s(halting)
    assert 31 < len(ends) < 60
    assert ends[0] == pytest.approx(0.3)
    assert ends[-1] > 0.4


def test_in_noise_the_wait_is_longer_from_the_first_utterance_on() -> None:
    assert ends_s([(True, 0.5), (False, 1.0)], noise_dbfs=-50.0) == pytest.approx([0.48])


def test_speech_that_lifts_the_noise_floor_is_no_noise() -> None:
    sentences = [(True, 2.0), (False, 1.0)] * 2
    ends = ends_s(sentences, -90.0, in_speech_dbfs=-50.0)
    assert ends == pytest.approx([0.3, 0.48])  # by the second it was there before the speech


def test_a_fixed_hangover_learns_nothing() -> None:
    assert ends_s(FLUENT, noise_dbfs=-50.0, adaptive=False)[-1] == pytest.approx(0.3)
