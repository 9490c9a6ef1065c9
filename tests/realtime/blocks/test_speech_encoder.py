from dataclasses import dataclass, field

import numpy as np
import pytest

from mmer.models.encoder import SpeechModel
from mmer.models.errors import MmerError
from mmer.models.preparation.sound import voice
from mmer.realtime.blocks.block import run
from mmer.realtime.blocks.speech_encoder import (
    SpeechEncoder,
    SpeechEncoderConfig,
)
from mmer.realtime.messages import SAMPLE_RATE, Evidence, Missing, SpeechState, SpeechUpdate, Tick

LOGS = np.log(np.full(7, 1 / 7, dtype=np.float32))


@dataclass
class Answer:
    log_probs: np.ndarray
    embedding: np.ndarray | None = None
    usable: float = 1.0


@dataclass
class FakeModel:
    min_s: float = 0.5
    heard: list[int] = field(default_factory=list)

    def growing(self) -> None:
        return None

    def predict(self, samples: np.ndarray, begin: int = 0, prepare: None = None) -> Answer:
        assert samples.dtype == np.int16
        self.heard.append(len(samples))
        return Answer(LOGS, np.ones(4, np.float32))


def tone(seconds: float, amplitude: float = 3000.0) -> np.ndarray:
    n = np.arange(round(seconds * SAMPLE_RATE))
    return (amplitude * np.sin(2 * np.pi * 200 * n / SAMPLE_RATE)).astype(np.int16)


def update(seconds: float, state=SpeechState.ONGOING, number=1, t0=10.0, amplitude=3000.0):
    return SpeechUpdate(
        number, t0, t0 + seconds, state, tone(seconds, amplitude), t0 + seconds + 0.3
    )


ENDED = SpeechState.ENDED


def test_evaluates_every_half_second_of_new_sound_and_once_at_the_end():
    model = FakeModel()
    updates = [update(0.02 * i) for i in range(1, 101)] + [update(1.9, ENDED)]
    out = run(SpeechEncoder(model), updates)
    assert [round(e.t1 - 10, 2) for e in out] == [0.5, 1.0, 1.5, 2.0, 1.9]
    assert [e.partial for e in out] == [True] * 4 + [False]
    assert all(isinstance(e, Evidence) and e.modality == "speech" for e in out)
    assert all(e.t0 == 10.0 and e.utterance == 1 for e in out)
    assert out[-1].embedding.shape == (4,)


PAUSED = SpeechState.PAUSED


def test_a_pause_is_evaluated_at_once_and_an_end_with_the_same_sound_not_again():
    model = FakeModel()
    out = run(SpeechEncoder(model), [update(0.6), update(0.7, PAUSED), update(0.7, ENDED)])
    assert [(round(e.t1 - 10, 2), e.partial) for e in out] == [
        *((0.6, True), (0.7, True), (0.7, False))
    ]
    assert model.heard == [9600, 11200]
    assert np.array_equal(out[1].log_probs, out[2].log_probs)


def test_a_pause_takes_over_what_was_found_when_the_silence_began():
    model = FakeModel()
    silence = [update(0.7, state) for state in (SpeechState.STOPPING, PAUSED, ENDED)]
    out = run(SpeechEncoder(model), [update(0.6), *silence])
    assert [e.partial for e in out] == [True, True, True, False]
    assert model.heard == [9600, 11200]
    assert len({e.log_probs.tobytes() for e in out[1:]}) == 1


def test_speech_after_a_pause_is_evaluated_again():
    model = FakeModel()
    out = run(SpeechEncoder(model), [update(0.7, PAUSED), update(0.9), update(1.1, ENDED)])
    assert [round(e.t1 - 10, 2) for e in out] == [0.7, 1.1]
    assert model.heard == [11200, 17600]


def test_a_pause_with_too_little_sound_is_missing():
    out = run(SpeechEncoder(FakeModel()), [update(0.3), update(0.3, PAUSED), update(0.3, ENDED)])
    assert [(type(e), e.why, e.partial) for e in out] == [
        *((Missing, "too short", True), (Missing, "too short", False))
    ]


def test_skipped_updates_and_a_missing_start_do_no_harm():
    out = run(SpeechEncoder(FakeModel()), [update(0.3), update(1.7), update(2.0, ENDED)])
    assert [(round(e.t1 - 10, 2), e.partial) for e in out] == [(1.7, True), (2.0, False)]
    assert [e.partial for e in run(SpeechEncoder(FakeModel()), [update(0.8, ENDED)])] == [False]


def test_the_started_update_may_already_be_long_enough():
    out = run(SpeechEncoder(FakeModel()), [update(0.6, SpeechState.STARTED)])
    assert [e.partial for e in out] == [True]


@pytest.mark.parametrize(
    ("seconds", "amplitude", "why"),
    [(0.4, 3000.0, "too short"), (0.0, 0.0, "too short"), (1.0, 0.0, "too quiet")],
)
def test_what_cannot_be_evaluated_is_missing_once(seconds, amplitude, why):
    model = FakeModel()
    out = run(
        SpeechEncoder(model),
        [update(seconds, amplitude=amplitude), update(seconds, ENDED, amplitude=amplitude)],
    )
    assert [(type(m), m.why, m.partial, m.utterance) for m in out] == [(Missing, why, False, 1)]
    assert model.heard == []


def test_what_the_model_calls_unusable_is_missing():
    class Deaf(FakeModel):
        def predict(self, samples: np.ndarray, begin: int = 0, prepare: None = None) -> Answer:
            return Answer(LOGS, None, usable=0.0)

    out = run(SpeechEncoder(Deaf()), [update(1.0), update(1.5, ENDED)])
    assert [(type(e), e.why, e.partial) for e in out] == [(Missing, "too quiet", False)]


def test_exactly_one_end_for_each_of_several_utterances():
    updates = [
        update(0.7, number=1),
        update(0.8, ENDED, number=1),
        update(0.8, ENDED, number=1),  # repeated by mistake
        update(0.2, ENDED, number=2, t0=12.0),
        update(20.0, ENDED, number=3, t0=13.0),
        update(0.6, number=4, t0=33.0),  # the rest of a split utterance
        update(1.0, ENDED, number=4, t0=33.0),
    ]
    out = run(SpeechEncoder(FakeModel()), updates)
    ends = [(m.utterance, type(m)) for m in out if not m.partial]
    assert ends == [(1, Evidence), (2, Missing), (3, Evidence), (4, Evidence)]


def test_only_the_newest_part_of_a_long_utterance_is_evaluated():
    model = FakeModel()
    out = run(SpeechEncoder(model, SpeechEncoderConfig(longest_s=4.0)), [update(12.0, ENDED)])
    assert model.heard == [4 * SAMPLE_RATE]
    assert (out[0].t0, out[0].t1) == (18.0, 22.0)


def test_reset_forgets_and_other_messages_pass():
    block = SpeechEncoder(FakeModel())
    assert block.push(Tick(1.0)) == ()
    block.push(update(0.9, ENDED))
    block.reset()
    assert len(block.push(update(0.9, ENDED))) == 1


def test_wrong_settings_are_refused():
    with pytest.raises(MmerError, match="step_s"):
        SpeechEncoderConfig(step_s=0)
    with pytest.raises(MmerError, match="longest_s"):
        SpeechEncoderConfig(longest_s=0.1)
    with pytest.raises(MmerError, match="silent_dbfs"):
        SpeechEncoderConfig(silent_dbfs=-30)


@pytest.mark.parametrize("seed", range(3))
def test_answers_do_not_depend_on_which_updates_were_evaluated_before(seed):
    rng = np.random.default_rng(seed)
    sound = voice(rng, 6.0)
    model = SpeechModel.load(provider="cpu")
    lengths = np.sort(rng.integers(8000 // 320, len(sound) // 320, 8)) * 320
    block = SpeechEncoder(model, SpeechEncoderConfig(step_s=0.02))
    for n in (*lengths, len(sound)):
        state = ENDED if n == len(sound) else SpeechState.ONGOING
        t1 = 10.0 + n / SAMPLE_RATE
        out = block.push(SpeechUpdate(1, 10.0, t1, state, sound[:n], t1))
        alone = model.predict(sound[:n])
        assert out[0].log_probs.tobytes() == alone.log_probs.tobytes()
        assert out[0].embedding.tobytes() == alone.embedding.tobytes()
