import numpy as np
import pytest

from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel

MEL = LogMel()


def tone(hz: float, seconds: float = 1.0, amplitude: float = 8000) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.int16)


@pytest.mark.parametrize("n", [0, 1, 399, 400, 401, 559, 560, 16_000, 16_123])
def test_shape_is_what_frames_says(n: int) -> None:
    features = MEL(np.ones(n, np.int16))
    assert features.shape == (MEL.frames(n), MEL.bins)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_a_window_is_25_ms_and_a_step_10_ms() -> None:
    assert [MEL.frames(n) for n in (0, 399, 400, 559, 560)] == [0, 0, 1, 1, 2]


def test_the_gain_does_not_matter() -> None:
    quiet = tone(440, amplitude=600) + tone(1900, amplitude=300)
    assert MEL(quiet * np.int16(30)) == pytest.approx(MEL(quiet), abs=1e-3)


def test_silence_is_finite_and_flat() -> None:
    features = MEL(np.zeros(8000, np.int16))
    assert np.isfinite(features).all()
    assert np.ptp(features) == 0


def test_a_higher_tone_lies_in_a_higher_bin() -> None:
    bins = [int(MEL(tone(hz)).mean(axis=0).argmax()) for hz in (100, 300, 1000, 3000, 6000)]
    assert bins == sorted(set(bins))


def test_what_is_far_below_the_mean_is_the_same_silence() -> None:
    rng = np.random.default_rng(0)
    speech = tone(500).astype(float)
    still = np.concatenate([speech, np.zeros(8000)])
    hum = still + rng.normal(0, 1.0, len(still))  # 75 dB below
    assert MEL(still)[-30:] == pytest.approx(MEL(hum)[-30:], abs=0.05)


def test_the_input_is_left_alone() -> None:
    samples = tone(200)
    before = samples.copy()
    MEL(samples)
    assert (samples == before).all()
