import numpy as np
import pytest

from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel
from mmer.training.augment.recording import (
    CODECS,
    RecordingChanges,
    change_recording,
    impulse_response,
    in_room,
    play,
    through_codec,
    to_int16,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sine(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def pitch(sound: np.ndarray) -> float:
    """The strongest frequency, in Hz."""
    return float(np.abs(np.fft.rfft(sound)).argmax() * SAMPLE_RATE / len(sound))


@pytest.mark.parametrize("factor", [0.87, 1.0, 1.15])
def test_played_faster_it_is_shorter_and_higher(factor: float) -> None:
    played = play(sine(440), factor)
    assert len(played) == round(SAMPLE_RATE / factor)
    assert pitch(played) == pytest.approx(440 * factor, abs=2)
    assert np.abs(played).max() == pytest.approx(1, abs=0.05)


def test_what_would_be_above_the_band_is_cut_and_not_folded() -> None:
    assert np.abs(play(sine(7500), 1.15)).max() < 0.01


@pytest.mark.parametrize("reverberation_s", [0.2, 0.8])
def test_a_room_decays_in_its_time_at_its_level(reverberation_s: float) -> None:
    response = impulse_response(rng(), reverberation_s, direct_db=6.0)
    assert response[0] == 1
    tail = response[1:]
    assert 10 * np.log10((tail**2).sum()) == pytest.approx(-6, abs=1e-6)
    # Schroeder's backward integral falls by 60 dB in the reverberation time: 20 dB in a third
    energy = np.cumsum(tail[::-1] ** 2)[::-1]
    late = np.argmax(energy < energy[0] / 100) / SAMPLE_RATE
    assert 0.15 * reverberation_s < late < 0.5 * reverberation_s


def test_in_a_room_is_the_convolution() -> None:
    sound, response = rng(1).normal(size=300), rng(2).normal(size=77)
    assert in_room(sound, response) == pytest.approx(np.convolve(sound, response))


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c[1])
def test_a_codec_keeps_length_and_voice_and_cuts_its_band(
    codec: tuple[str, str, int, tuple[int, ...]],
) -> None:
    container, encoder, rate, bit_rates = codec
    low, high = sine(500), sine(6500)
    voice = to_int16(low * (1 + 0.5 * sine(4)) + 0.5 * high)
    coded = through_codec(voice, container, encoder, rate, bit_rates[0])
    assert coded.dtype == np.int16
    assert abs(len(coded) - len(voice)) <= 0.05 * SAMPLE_RATE
    assert pitch(coded) == pytest.approx(500, abs=5)
    bins = LogMel().raw(coded).mean(axis=0)
    if rate == 8000:
        assert bins[-6:].max() < bins.max() - 5  # 20 dB and more


def test_a_changed_recording_is_sound_and_repeatable() -> None:
    voice = to_int16(sine(200) * sine(3))
    kinds = [change_recording(voice, rng(seed), RecordingChanges()) for seed in range(12)]
    again = [change_recording(voice, rng(seed), RecordingChanges()) for seed in range(12)]
    assert all((a == b).all() for a, b in zip(kinds, again, strict=True))
    assert all(k.dtype == np.int16 and 0.8 * len(voice) < len(k) for k in kinds)
    assert len({len(k) for k in kinds}) > 4


def test_what_may_not_be_changed_is_only_scaled() -> None:
    voice = to_int16(sine(200), peak=0.9)
    same = change_recording(voice, rng(), RecordingChanges(0, 0, 0, codec_probability=0))
    assert np.abs(same.astype(int) - voice).max() <= 1
