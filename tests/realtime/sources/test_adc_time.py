import numpy as np
import pytest

from mmer.realtime.sources.adc_time import SLEW, Arrival, CaptureTimeline

BLOCK = 0.02


def arrivals(n, start=10.0, late=lambda i: 0.0, drift=0.0, delay=None):
    """n buffers whose first sample was made at ``start``, each ``late(i)`` s after its end."""
    out = []
    for i in range(n):
        made = start + i * BLOCK * (1 + drift)
        at = made + BLOCK + late(i)
        out.append(Arrival(at, BLOCK, None if delay is None else at - made + delay(i)))
    return out


def play(timeline, items):
    """Run all; return the capture time given to each buffer's first sample."""
    times = [timeline.begin(items[:10], 0.0) + i * BLOCK for i in range(10)]
    for i, item in enumerate(items[10:], start=10):
        assert timeline.follow(item) == 0.0
        times.append(timeline.time_at(i * BLOCK))
    return np.array(times)


def test_punctual_buffers_are_timed_exactly():
    times = play(CaptureTimeline(), arrivals(200))
    assert times == pytest.approx(10.0 + np.arange(200) * BLOCK, abs=1e-9)


def test_late_callbacks_do_not_move_the_timeline():
    rng = np.random.default_rng(1)
    late = np.where(rng.random(500) < 0.8, rng.uniform(0.001, 0.05, 500), 0.0)
    times = play(CaptureTimeline(), arrivals(500, late=lambda i: late[i]))
    assert times == pytest.approx(10.0 + np.arange(500) * BLOCK, abs=0.0021)
    assert np.diff(times).min() > 0


def test_a_burst_at_the_start_is_dated_back():
    # the first ten buffers come at once, when the tenth is ready
    times = play(CaptureTimeline(), arrivals(100, late=lambda i: max(0.0, (9 - i) * BLOCK)))
    assert times == pytest.approx(10.0 + np.arange(100) * BLOCK, abs=1e-9)


@pytest.mark.parametrize("drift", [100e-6, -100e-6])
def test_drift_is_slewed_away_by_less_than_a_sample_a_block(drift):
    n = 30_000  # ten minutes: 60 ms of drift
    times = play(CaptureTimeline(), arrivals(n, drift=drift))
    truth = 10.0 + np.arange(n) * BLOCK * (1 + drift)
    assert np.abs(times - truth).max() < 0.0025
    steps = np.abs(np.diff(times) - BLOCK)
    assert steps.max() <= SLEW * BLOCK + 1e-9 < 1 / 16_000
    assert np.mean(steps < 1e-9) > 0.8  # most blocks meet exactly


def test_a_sane_adc_time_moves_the_run_back_by_the_devices_delay():
    timeline = CaptureTimeline(latency_s=0.06)
    made = arrivals(100, late=lambda i: 0.03, delay=lambda i: 0.0)
    times = play(timeline, made)
    assert timeline.delay_s == pytest.approx(0.03)
    assert times == pytest.approx(10.0 + np.arange(100) * BLOCK, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "delay"),
    [
        ("not told", None),
        ("far in the past", lambda i: 0.35),
        ("in the future", lambda i: -0.2),
        ("of two minds", lambda i: 0.03 * (i % 2)),
        ("another clock", lambda i: -5000.0 - i),
    ],
)
def test_an_insane_adc_time_is_not_believed(name, delay):
    timeline = CaptureTimeline(latency_s=0.06)
    times = play(timeline, arrivals(100, delay=delay))
    assert timeline.delay_s is None, name
    assert times == pytest.approx(10.0 + np.arange(100) * BLOCK, abs=1e-9)


def test_an_adc_time_that_begins_to_wander_is_ignored():
    wander = arrivals(500, delay=lambda i: 0.0 if i < 50 else i * 0.001)
    assert play(CaptureTimeline(), wander) == pytest.approx(10.0 + np.arange(500) * BLOCK, abs=1e-9)


def test_sound_that_went_missing_unsaid_is_noticed():
    timeline = CaptureTimeline()
    before, after = arrivals(100), arrivals(200, start=10.0 + 100 * BLOCK + 0.5)
    play(timeline, before)
    lost = [timeline.follow(a) for a in after]
    assert lost[0] == 0.0  # one late buffer proves nothing
    first = next(i for i, s in enumerate(lost) if s)
    assert lost[first] == pytest.approx(0.5, abs=0.01)
    assert first * BLOCK == pytest.approx(2.0, abs=0.1)


def test_time_does_not_go_back_over_what_was_given():
    assert CaptureTimeline().begin(arrivals(10), not_before=10.5) == 10.5


def test_a_burst_of_delayed_sound_is_no_proof_of_lost_sound():
    # 100 buffers on time, then 4 s of silence on the line, then all of its sound at once
    late = [0.0] * 100 + [(300 - i) * BLOCK for i in range(100, 300)] + [0.0] * 200
    times = play(CaptureTimeline(), arrivals(500, late=lambda i: late[i]))
    assert times == pytest.approx(10.0 + np.arange(500) * BLOCK, abs=0.021)


def test_a_strict_timeline_has_no_stamp_in_the_future():
    late = [0.05] * 50 + [0.0] * 50
    items = arrivals(100, late=lambda i: late[i])
    times = play(CaptureTimeline(strict=True), items)
    assert all(t + BLOCK <= item.at + 1e-9 for t, item in zip(times, items, strict=True))
    assert times[50:] == pytest.approx(10.0 + np.arange(50, 100) * BLOCK, abs=1e-9)


@pytest.mark.parametrize("stall", [0.1, 1.0, 8.0])
def test_a_run_anchored_late_moves_back_at_once(stall):
    # all that the run is anchored on comes late, the rest does not
    items = arrivals(3000, late=lambda i: stall if i < 12 else 0.0)
    times = play(CaptureTimeline(), items)
    ahead = [t + BLOCK - item.at for t, item in zip(times, items, strict=True)]
    assert max(ahead) < 0.0051
    assert times[12:] == pytest.approx(10.0 + np.arange(12, 3000) * BLOCK, abs=0.0051)


@pytest.mark.parametrize("stop", [0.5, 1.5, 2.0, 3.0, 10.0, 60.0])
@pytest.mark.parametrize("kept", [0.5, 2.0, 10.0, 60.0])
def test_no_stamp_is_in_the_future_after_the_program_was_stopped(stop, kept):
    """Ctrl-Z and fg: what the sound server has kept comes at once, then sound is live again."""
    timeline = CaptureTimeline()
    live = arrivals(500)
    after = 10.0 + 500 * BLOCK + stop
    burst = [Arrival(after + i * 1e-6, BLOCK) for i in range(round(min(stop, kept) / BLOCK))]
    again = arrivals(3000, start=after + len(burst) * 1e-6)
    begun = []
    timeline.begin(live[:10], 0.0)
    position = 10
    for item in [*live[10:], *burst, *again]:
        if timeline.follow(item) > 0.0:
            timeline.begin([item], timeline.time_at(position * BLOCK))
            begun.append(item.at)
            position = 0
        ahead = timeline.time_at((position + 1) * BLOCK) - item.at
        assert ahead < 0.03
        position += 1
    assert len(begun) == (stop > kept + 0.1)
