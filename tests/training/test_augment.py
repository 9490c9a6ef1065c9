import numpy as np
import pytest

from mmer.training.augment import (
    SpeechChanges,
    TextChanges,
    change_speech,
    change_text,
    fit_length,
    mask_speech,
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


def test_text_is_taken_bare_and_words_become_unknown() -> None:
    full, bare = np.arange(10, 30), np.arange(10, 25)
    always = change_text(full, bare, 1, rng(), TextChanges(bare_probability=1, unknown=0))
    never = change_text(full, bare, 1, rng(), TextChanges(bare_probability=0, unknown=0))
    assert (always == bare).all()
    assert (never == full).all()
    drawn = [
        change_text(full, bare, 1, rng(s), TextChanges(bare_probability=0, unknown=0.3))
        for s in range(50)
    ]
    assert np.mean([(d == 1).mean() for d in drawn]) == pytest.approx(0.3, abs=0.05)
    assert all(((d == full) | (d == 1)).all() for d in drawn)
