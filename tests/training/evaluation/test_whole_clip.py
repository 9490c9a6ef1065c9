import numpy as np
import pytest

from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Gap,
    SpeechState,
    SpeechUpdate,
    VideoFrame,
)
from mmer.training.evaluation.whole_clip import GoldWords, WholeClip

TONE = (8000 * np.sin(np.arange(SAMPLE_RATE) / 5)).astype(np.int16)  # 1 s


def heard(block: WholeClip, sound: np.ndarray, t0: float = 0.0) -> SpeechUpdate:
    for k in range(0, len(sound), 320):
        assert not block.push(AudioBlock(t0 + k / SAMPLE_RATE, sound[k : k + 320]))
    (update,) = block.flush()
    return update


def test_a_clip_is_one_utterance_without_the_silence_at_its_ends() -> None:
    silence = np.zeros(SAMPLE_RATE, np.int16)
    block = WholeClip()
    update = heard(block, np.concatenate([silence, TONE, silence, TONE, silence]), t0=0.5)
    assert update.state is SpeechState.ENDED
    assert (update.t0, update.t1) == pytest.approx((1.35, 4.65), abs=0.02)
    assert len(update.samples) == pytest.approx((update.t1 - update.t0) * SAMPLE_RATE, abs=1)
    assert update.decided == pytest.approx(5.5)
    block.reset()
    assert (heard(block, TONE).t0, block.flush()[0].t1) == pytest.approx((0.0, 1.0))


def test_a_lost_second_is_silence_in_its_place() -> None:
    block = WholeClip()
    block.push(AudioBlock(0.0, TONE))
    block.push(AudioBlock(2.0, TONE))
    (update,) = block.flush()
    assert update.t1 == pytest.approx(3.0)
    assert not update.samples[SAMPLE_RATE : 2 * SAMPLE_RATE].any()
    assert (update.samples[2 * SAMPLE_RATE :] == TONE).all()


def test_a_silent_clip_lasts_as_long_as_its_sound() -> None:
    update = heard(WholeClip(), np.zeros(2 * SAMPLE_RATE, np.int16))
    assert (update.t0, update.t1) == pytest.approx((0.0, 2.0))


def test_a_clip_without_sound_lasts_as_long_as_it_is_told() -> None:
    block = WholeClip()
    block.push(Gap("audio", 0.0, float("inf"), "no sound in the source"))
    block.push(VideoFrame(1.0, np.zeros((4, 4, 3), np.uint8)))
    block.push(Gap("audio", 3.0, 3.0, "the clip has ended"))
    (update,) = block.flush()
    assert (update.t0, update.t1, len(update.samples)) == (0.0, 3.0, 0)


def test_gold_words_are_said_once_at_the_end() -> None:
    block = GoldWords()
    block.text = "kids are talking"
    empty = np.zeros(0, np.int16)
    assert not block.push(SpeechUpdate(1, 0.0, 1.0, SpeechState.ONGOING, empty, 1.0))
    (said,) = block.push(SpeechUpdate(1, 0.0, 2.0, SpeechState.ENDED, empty, 2.0))
    assert (said.text, said.t1, said.partial) == ("kids are talking", 2.0, False)
    assert (said.asr, said.style) == ("gold", "written")
    assert not block.flush()
