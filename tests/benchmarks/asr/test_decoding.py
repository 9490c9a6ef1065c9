"""Decoding of clips: as live and in one call, with a recognizer that is a double."""

from __future__ import annotations

import numpy as np
import sounds
from asr_doubles import CountingModel

from mmer.benchmarks.asr.decoding import (
    decode_live,
    decode_utterances,
    decode_whole,
    joined_speech,
    partial_costs,
)

TWO = sounds.joined(
    sounds.silence(1), sounds.voice(1), sounds.silence(1), sounds.voice(2), sounds.silence(1)
)


def test_live_decodes_the_utterances_of_the_voice_activity_detector() -> None:
    model = CountingModel("hello")
    found = decode_live(TWO, model)
    assert found.text == "hello hello"
    assert len(found.finals) == len(found.final_cpu_ms) == 2
    assert 3 < found.sound_s < 4
    assert model.pauses >= 2
    assert min(model.pieces) < 16000  # piece by piece


def test_live_finds_nothing_in_silence() -> None:
    found = decode_live(sounds.silence(3), CountingModel("hello"))
    assert (found.text, found.finals, found.sound_s) == ("", (), 0)


def test_a_whole_clip_is_one_call() -> None:
    model = CountingModel("hello")
    found = decode_whole(TWO, model)
    assert (found.text, model.pieces) == ("hello", [len(TWO)])
    assert found.sound_s == 6


def test_finals_without_the_partial_ones() -> None:
    model = CountingModel("hello")
    assert [final.text for final in decode_utterances(TWO, model)] == ["hello", "hello"]
    assert len(model.pieces) == 2


def test_a_long_utterance_is_fed_by_tenths_of_a_second() -> None:
    model = CountingModel("hello")
    sound = joined_speech([sounds.voice(1.0), sounds.voice(0.5)], 2.05)
    assert len(sound) == 2.05 * 16000
    costs = partial_costs(sound, model)
    assert model.pieces == [1600] * 20 + [800]
    assert len(costs) == 22
    assert np.all(np.array(costs) >= 0)
