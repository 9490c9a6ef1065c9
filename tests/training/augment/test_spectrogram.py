import numpy as np
import pytest

from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel
from mmer.training.augment.spectrogram import (
    SpeechChanges,
    change_speech,
    coloured_noise,
    fit_length,
    mask_speech,
    synthetic_sounds,
    tone,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("frames", [5, 50, 200])
def test_changed_speech_has_the_length_asked_for(frames: int) -> None:
    raw = rng(1).normal(0, 3, (90, 64)).astype(np.float16)
    noise = rng(2).normal(0, 1, (30, 64)).astype(np.float16)
    before = raw.copy()
    for seed in range(6):
        changed = change_speech(raw, frames, [noise], rng(seed), SpeechChanges())
        assert changed.shape == (frames, 64)
        assert np.isfinite(changed).all()
    assert (raw == before).all()


def test_noise_is_mixed_at_the_level_asked_for() -> None:
    raw, noise = np.zeros((100, 64), np.float32), np.full((100, 64), 7.0, np.float32)
    by = SpeechChanges(0, 0, 0, noise_probability=1, snr_db=(10.0, 10.0))
    changed = change_speech(raw, 100, [noise], rng(), by)
    assert changed == pytest.approx(np.full((100, 64), np.log(1.1)), abs=1e-3)


def test_a_short_spectrum_is_set_into_silence() -> None:
    raw = np.arange(6, dtype=np.float32).reshape(3, 2) + 1
    fitted = fit_length(raw, 8, rng())
    assert fitted.shape == (8, 2)
    assert fitted.sum() == raw.sum() + 5 * 2 * raw.min()
    assert len(fit_length(raw, 2, rng())) == 2


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_pieces_are_a_beginning(share: float) -> None:
    raw, draw = np.arange(200, dtype=np.float32)[:, None], rng()
    starts = np.array([fit_length(raw, 50, draw, share)[0, 0] for _ in range(1000)])
    assert (starts == 0).mean() == pytest.approx(share, abs=0.05)
    assert share == 1 or starts.max() > 140


def test_masks_are_blank_and_leave_the_input_alone() -> None:
    features = rng(1).normal(0, 1, (100, 64)).astype(np.float32)
    before = features.copy()
    masked = [mask_speech(features, rng(seed), SpeechChanges()) for seed in range(10)]
    assert (features == before).all()
    for out in masked:
        changed = out != features
        assert (out[changed] == features.mean()).all()
    assert any((out != features).any() for out in masked)


def test_very_short_speech_can_be_masked() -> None:
    assert mask_speech(np.zeros((1, 64), np.float32), rng(), SpeechChanges()).shape == (1, 64)


@pytest.mark.parametrize("slope", [0.0, -3.0, -6.0])
def test_coloured_noise_falls_by_its_slope(slope: float) -> None:
    power = np.abs(np.fft.rfft(coloured_noise(1 << 16, rng(), slope))) ** 2
    octaves = [10 * np.log10(power[n : 2 * n].mean()) for n in (256, 512, 1024, 2048, 4096)]
    assert np.diff(octaves) == pytest.approx(slope, abs=1.0)


def test_tones_are_narrow_and_noises_are_not() -> None:
    def peak_share(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float(np.sort(power)[-len(power) // 20 :].sum() / power.sum())

    assert peak_share(coloured_noise(SAMPLE_RATE, rng(), 0.0)) < 0.3
    assert min(peak_share(tone(SAMPLE_RATE, rng(seed))) for seed in range(5)) > 0.6


def test_synthetic_sounds_are_spectra_and_repeatable() -> None:
    mel = LogMel()
    sounds = synthetic_sounds(mel, rng(), 2)
    assert len(sounds) == 4
    assert all(s.shape == (mel.frames(4 * SAMPLE_RATE), mel.bins) for s in sounds)
    again = synthetic_sounds(mel, rng(), 2)
    assert all((a == b).all() for a, b in zip(sounds, again, strict=True))
