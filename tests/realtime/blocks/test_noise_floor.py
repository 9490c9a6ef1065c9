import numpy as np
import pytest
from sounds import mixed, noise, silence, tone, voice

from mmer.realtime.blocks.noise_floor import NoiseFloor, NoiseFloorConfig
from mmer.realtime.blocks.periodicity import Periodicity

FRAME = 320
FRAMES_A_SECOND = 50


def excess(sound: np.ndarray, floor: NoiseFloor | None = None) -> np.ndarray:
    floor = floor or NoiseFloor(FRAME)
    whole = len(sound) // FRAME * FRAME
    return np.array([floor.excess_db(f) for f in sound[:whole].reshape(-1, FRAME)])


@pytest.mark.parametrize("level_db", [-10, -30, -50])
def test_steady_noise_becomes_the_floor_within_two_seconds(level_db: float) -> None:
    heard = excess(noise(6, level_db))
    assert heard[:25].min() > 10  # at the start of the stream it may be anything
    assert (heard[2 * FRAMES_A_SECOND :] < 7).mean() > 0.99


def test_a_louder_noise_becomes_the_floor_in_its_turn() -> None:
    heard = excess(np.concatenate([noise(4, -50), noise(6, -20)]))
    step = 4 * FRAMES_A_SECOND
    assert heard[step : step + 25].min() > 15
    assert (heard[step + 3 * FRAMES_A_SECOND :] < 7).mean() > 0.99


def test_a_voice_stands_above_the_noise_around_it() -> None:
    quiet_before = mixed(noise(7, -30), np.concatenate([silence(3), voice(2, -25), silence(2)]))
    heard = excess(quiet_before)
    assert np.median(heard[3 * FRAMES_A_SECOND : 5 * FRAMES_A_SECOND]) > 10
    assert (heard[2 * FRAMES_A_SECOND : 3 * FRAMES_A_SECOND] < 7).all()
    assert (heard[5 * FRAMES_A_SECOND + 1 :] < 7).mean() > 0.99


def test_a_voice_that_goes_on_is_not_taken_for_the_floor() -> None:
    heard = excess(voice(20))
    for second in range(20):
        assert np.median(heard[second * FRAMES_A_SECOND :][:FRAMES_A_SECOND]) > 15


def test_silence_has_no_excess_and_nothing_overflows() -> None:
    assert (excess(silence(1)) == 0).all()
    loudest = np.full(FRAME * 100, -32768, np.int16)
    assert np.isfinite(excess(loudest)).all()


def test_reset_forgets_the_noise() -> None:
    floor = NoiseFloor(FRAME, NoiseFloorConfig(learn_s=0.5))
    sound = noise(3, -30)
    first = excess(sound, floor)
    assert excess(sound, floor)[0] < 7
    floor.reset()
    np.testing.assert_array_equal(excess(sound, floor), first)


def test_voices_are_periodic_and_noise_is_not() -> None:
    periodicity = Periodicity(2 * FRAME)
    for pitch_hz in (80, 120, 220, 330):
        assert periodicity(voice(1, pitch_hz=pitch_hz)[8000 : 8000 + 640]) > 0.8
    assert np.median([periodicity(noise(0.04, seed=s)) for s in range(50)]) < 0.45
    assert periodicity(silence(0.04)) == 0
    assert periodicity(tone(0.04, 200)) == pytest.approx(1, abs=0.05)
