import json
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.preparation import whisper_mel
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.opening import open_preparation
from mmer.models.preparation.preparation import Lengths
from mmer.models.preparation.whisper_mel import (
    LEVEL,
    MelFrames,
    WhisperMel,
    WhisperSegment,
    mel_filters,
)

MEL = WhisperMel()


def sound(seconds: float, gain: float = 3000.0) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.1, len(t))
    return (gain * (np.sin(2 * np.pi * 300 * t * (1 + t)) + noise)).astype(np.int16)


def published(samples: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram as in whisper/audio.py, frame by frame: samples float (n,), (T, 80)."""
    padded = np.pad(samples, 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = [padded[k * 160 : k * 160 + 400] * hann for k in range(len(samples) // 160)]
    power = np.abs(np.fft.rfft(frames)) ** 2 @ filters
    log = np.log10(np.maximum(power, 1e-10))
    return np.asarray((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0)


@pytest.mark.parametrize("seconds", [0.5, 1.234, 3.0])
def test_it_is_the_published_spectrogram_at_a_gain(seconds: float) -> None:
    samples = sound(seconds)
    ours = MEL(samples)
    wave = samples / 32_768.0
    mean = (10 ** (4 * published(wave, mel_filters()) - 4)).mean()
    gain = np.sqrt(10**LEVEL / mean)
    assert ours == pytest.approx(published(gain * wave, mel_filters()), abs=1e-4)


def test_its_filters_are_librosas() -> None:
    librosa = pytest.importorskip("librosa", reason="mmer-live[train]")
    theirs = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=400, n_mels=80)
    assert mel_filters() == pytest.approx(theirs.T, abs=1e-7)


@pytest.mark.parametrize("n", [0, 1, 159, 160, 400, 16_123])
def test_shape_is_what_frames_says(n: int) -> None:
    features = MEL(np.ones(n, np.int16))
    assert features.shape == (MEL.frames(n), 80) == (n // 160, 80)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("gain", [30.0, 30_000.0])
def test_the_gain_does_not_matter(gain: float) -> None:
    wave = sound(1.0).astype(np.float64)
    assert MEL(wave * gain) == pytest.approx(MEL(wave), abs=1e-3)


def test_what_is_far_below_the_loudest_is_the_same() -> None:
    features = WhisperMel(range_db=40.0)(sound(1.0))
    assert features.min() == pytest.approx(features.max() - 1.0, abs=1e-5)


def test_a_segment_is_the_end_of_a_sound() -> None:
    prepare = WhisperSegment(longest_s=2.0)
    long = sound(3.0)
    before = long.copy()
    found = prepare(long)
    assert found is not None
    np.testing.assert_array_equal(found[0], MEL(long[-2 * SAMPLE_RATE :]))
    np.testing.assert_array_equal(long, before)
    short = prepare(long[:100])
    assert short is not None
    assert short[0].shape == (50, 80)
    assert prepare(long[:0]) is prepare(np.zeros(9000, np.int16)) is None
    assert prepare.lengths() == Lengths(50, 125, 200)


@pytest.mark.parametrize("seed", range(5))
def test_a_growing_sound_has_the_features_of_a_whole_one_to_the_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prepare = WhisperSegment(longest_s=2.0)
    grown = prepare.growing()
    fades_in = np.linspace(0, 1, 5 * SAMPLE_RATE)  # its loudest sample changes again and again
    whole = (sound(5.0) * fades_in).astype(np.int16)
    ends = np.sort(rng.integers(1, len(whole), 40)) // rng.choice([1, 160, 320], 40)
    ends *= rng.choice([1, 160, 320], 40)
    for end in np.minimum(ends, len(whole)):  # shorter ones again, and begins off the frames' grid
        begin = max(0, int(end) - int(rng.integers(2, 4)) * SAMPLE_RATE)
        alone, after = prepare(whole[:end]), grown(whole[begin:end], begin)
        if alone is None or after is None:
            assert alone is after
        else:
            np.testing.assert_array_equal(alone[0], after[0])


def test_frames_of_a_growing_sound_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    compute = whisper_mel.mel_power

    def counted(windows: np.ndarray) -> np.ndarray:
        computed.append(len(windows))
        return compute(windows)

    monkeypatch.setattr(whisper_mel, "mel_power", counted)
    kept = MelFrames()
    whole = sound(6.0)
    for end in range(SAMPLE_RATE, len(whole) + 1, SAMPLE_RATE // 2):
        begin = max(0, end - 2 * SAMPLE_RATE)
        computed.clear()
        MEL(whole[begin:end], begin, kept)
        # of half a second, and those at both edges of the window
        assert sum(computed) <= (100 if end == SAMPLE_RATE else 50 + 4)
        assert len(kept._power) <= 200


def test_it_is_made_again_from_json(tmp_path: Path) -> None:
    prepare = WhisperSegment(range_db=60.0)
    settings = json.loads(json.dumps(prepare.settings()))
    assert open_preparation(settings, tmp_path) == prepare
    for wrong, message in (
        ({**settings, "longest_s": 31}, "longest_s 31"),
        ({**settings, "least_s": 7}, "least_s is 7"),
        ({**settings, "range_db": 0}, "range_db is 0"),
        ({**settings, "bins": 80}, "has no bins"),
    ):
        with pytest.raises(MmerError, match=message):
            open_preparation(wrong, tmp_path)
