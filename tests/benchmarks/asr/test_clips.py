"""Clips with transcripts, sounds without speech, noise at a known ratio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sounds

from mmer.benchmarks.asr import clips as no_speech
from mmer.benchmarks.asr.clips import grid, grid_text, in_noise, ravdess
from mmer.benchmarks.asr.clips import sounds as recordings
from mmer.benchmarks.harness.utterances import Utterance
from mmer.models.errors import MmerError

SPOKEN = sounds.joined(sounds.silence(0.5), sounds.voice(1.0), sounds.silence(0.5))


def db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples.astype(np.float64)))))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bbaf2n", "bin blue at f 2 now"),
        ("id2_vcd_swwp2s", "set white with p 2 soon"),
        ("pgbzzp", "place green by z zero please"),
        ("lriy9a", "lay red in y 9 again"),
    ],
)
def test_a_grid_name_spells_its_transcript(name: str, text: str) -> None:
    assert grid_text(name) == text


@pytest.mark.parametrize("name", ["bbaf2", "bbaf2nn", "xbaf2n", "bbaf0n", "clip"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(MmerError, match="GRID"):
        grid_text(name)


def test_ravdess_transcripts_are_in_the_names(corpora: Path) -> None:
    clips = ravdess(corpora, range(17, 19))
    assert len(clips) == 16
    assert {clip.text for clip in clips} == {"Kids are talking by the door"}
    assert clips[0].seconds == 1
    assert len(ravdess(corpora, [18])) == 8


def test_data_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="RAVDESS"):
        ravdess(tmp_path, [17])
    with pytest.raises(MmerError, match="no recordings"):
        recordings(tmp_path, "*.wav")
    assert grid(tmp_path) == []


def test_some_of_the_recordings_are_always_the_same(corpora: Path) -> None:
    few = recordings(corpora / "audio", "**/*.wav", 5)
    again = recordings(corpora / "audio", "**/*.wav", 5)
    assert len(few) == 5
    assert all((a == b).all() for a, b in zip(few, again, strict=True))
    assert len(recordings(corpora / "audio", "**/*.wav", 99)) == 16


@pytest.mark.parametrize("snr_db", [20.0, 0.0, -10.0])
def test_noise_is_mixed_at_its_ratio(snr_db: float) -> None:
    quiet = (SPOKEN / 16).astype(np.int16)
    clip = Utterance("a", quiet)
    noisy = in_noise([clip], [sounds.noise(1.0)], snr_db)[0].samples
    added = noisy.astype(np.float64) - quiet
    assert db(quiet[8000:24000]) - db(added) == pytest.approx(snr_db, abs=0.5)


def test_noise_is_the_same_at_every_ratio_and_every_time() -> None:
    clips = [Utterance("a", SPOKEN), Utterance("b", SPOKEN)]
    noises = [sounds.noise(1.0, seed=k) for k in range(5)]
    once, again = in_noise(clips, noises, 0), in_noise(clips, noises, 0)
    assert all((a.samples == b.samples).all() for a, b in zip(once, again, strict=True))
    assert (once[0].samples != once[1].samples).any()
    louder = in_noise(clips, noises, -20)[0].samples[:8000].astype(float)
    assert np.corrcoef(louder, once[0].samples[:8000])[0, 1] > 0.99


def test_a_mix_does_not_clip() -> None:
    loud = Utterance("a", sounds.voice(1.0, level_db=-10))
    mixed = in_noise([loud], [sounds.noise(1.0, level_db=-15)], -10)[0].samples
    assert 32000 < np.abs(mixed.astype(int)).max() <= 32767
    assert (np.abs(mixed.astype(int)) == 32767).sum() <= 2


def test_a_part_of_digital_silence_is_no_noise() -> None:
    barked = sounds.joined(sounds.noise(0.1), sounds.silence(20))
    mixed = in_noise([Utterance("a", SPOKEN)], [barked], 0)[0].samples
    assert (mixed != SPOKEN).any()


def test_sounds_made_by_code_are_seeded_and_as_loud_as_said() -> None:
    noise = no_speech.white_noise(8, -55, -15, seed=0)
    assert [len(n) / 16000 for n in noise[:4]] == list(no_speech.LENGTHS_S)
    assert all(-56 < db(n) - 20 * np.log10(32768) < -14 for n in noise)
    tunes, again = no_speech.music(4, seed=1), no_speech.music(4, seed=1)
    assert all((a == b).all() for a, b in zip(tunes, again, strict=True))
    assert all(np.abs(t).max() > 500 for t in tunes)
    long = no_speech.music(2, seed=1, lengths_s=no_speech.LONG_S)
    assert [len(n) / 16000 for n in long] == [10, 20]
    faint = no_speech.white_noise(4, -85, -65, seed=0)
    assert all(np.abs(n).max() < 100 for n in faint)


def test_the_loudest_part() -> None:
    sound = sounds.joined(sounds.silence(2), sounds.noise(0.5), sounds.silence(2))
    part = no_speech.loudest_part(sound, 1.0)
    assert len(part) == 16000
    assert np.count_nonzero(part) == np.count_nonzero(sound)
    assert len(no_speech.loudest_part(sound[:100], 1.0)) == 100
