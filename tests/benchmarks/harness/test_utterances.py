"""Where speech begins and ends in a recording."""

from __future__ import annotations

import json
import math
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.ravdess import fitted, ravdess_utterances
from mmer.benchmarks.harness.utterances import demo_utterances, speech_span, trimmed
from mmer.models.errors import MmerError
from mmer.realtime.demo import clip


def recording(loud: float, noise: float, begin: int = 8000, end: int = 24000) -> np.ndarray:
    """Two seconds: a tone of amplitude ``loud`` from ``begin`` to ``end`` over noise."""
    sound = np.random.default_rng(0).normal(0, noise, 32000)
    t = np.arange(end - begin) / 16000
    sound[begin:end] += loud * np.sin(2 * np.pi * 300 * t)
    return np.rint(sound).astype(np.int16)


@pytest.mark.parametrize(("loud", "noise"), [(10000, 0), (10000, 30), (500, 10), (20000, 800)])
def test_the_span_is_the_tone_whatever_the_level(loud: float, noise: float) -> None:
    begin, end = speech_span(recording(loud, noise))
    assert abs(begin - 8000) <= 80  # half the window of 10 ms
    assert abs(end - 24000) <= 80


def test_short_pauses_within_belong_to_it() -> None:
    sound = recording(10000, 3)
    sound[14000:17500] = 0
    begin, end = speech_span(sound)
    assert begin < 8100
    assert end > 23900


def test_a_click_and_a_breath_do_not() -> None:
    sound = recording(10000, 3)
    sound[1000:1200] = 9000  # a click, 0.42 s before
    sound[24000:30000] += np.random.default_rng(1).normal(0, 300, 6000).astype(np.int16)
    begin, end = speech_span(sound)
    assert abs(begin - 8000) <= 80
    assert abs(end - 24000) <= 80


def test_silence_is_refused() -> None:
    with pytest.raises(MmerError, match="silent"):
        speech_span(np.zeros(16000, np.int16))


def test_trimming_keeps_the_speech_and_fades_the_cuts() -> None:
    sound = recording(10000, 3)
    begin, end = speech_span(sound)
    cut = trimmed("tone", sound)
    assert len(cut.samples) == end - begin
    assert np.array_equal(cut.samples[32:-32], sound[begin + 32 : end - 32])
    assert abs(int(cut.samples[-1])) <= abs(int(sound[end - 1])) / 2
    assert cut.seconds == pytest.approx(1.0, abs=0.011)


def test_sound_is_read_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    sound = recording(10000, 3)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        out.mux([*stream.encode(frame), *stream.encode(None)])
    assert np.array_equal(read_sound(path), sound)


def test_the_demo_gives_its_sentences() -> None:
    utterances = demo_utterances()
    sentences = json.loads(clip().with_suffix(".json").read_text())["sentences"]
    assert [u.name for u in utterances] == [s["text"] for s in sentences]
    for utterance, sentence in zip(utterances, sentences, strict=True):
        # the card's own ends are where the voice's samples end; those here where it is heard to
        assert -0.3 < utterance.seconds - (sentence["t1"] - sentence["t0"]) < 0.1


def test_no_ravdess_is_said(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="--data"):
        ravdess_utterances(tmp_path, 5)


@pytest.mark.data
def test_ravdess_is_trimmed(data: Path) -> None:
    utterances = ravdess_utterances(data, 6)
    assert len({u.name for u in utterances}) == 6
    assert all(0.7 < u.seconds < 4 for u in utterances)  # its clips have a second of silence a side
    if utterances[0].frames:  # videos
        assert all(len(u.frames) == math.ceil(u.seconds * 25) for u in utterances)
        assert {p.shape for u in utterances for p in u.frames} == {(720, 640)}
        assert len({u.emotion for u in utterances}) > 3


def test_a_picture_of_any_size_fits_the_clip() -> None:
    wide = fitted(np.full((100, 400, 3), 255, np.uint8))
    assert wide.shape == (720, 640)
    assert wide[240, 320] > 200  # in the middle
    assert wide[10, 320] < 30  # black above
    assert fitted(np.full((900, 300, 3), 255, np.uint8))[240, 10] < 30


def test_sound_alone_is_taken_where_there_are_no_videos(corpora: Path) -> None:
    with wave.open(str(next((corpora / "audio/ravdess").rglob("*.wav")))) as file:
        assert file.getnframes() == 16000
    utterances = ravdess_utterances(corpora, 3)
    assert len(utterances) == 3
    assert not utterances[0].frames
    assert utterances[0].emotion is None
