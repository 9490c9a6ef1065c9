import itertools

import numpy as np
import pytest

from mmer.realtime.messages import AudioBlock, Gap
from mmer.realtime.sources.adc_time import Arrival
from mmer.realtime.sources.capture import Buffer, CaptureRuns


def buffers(n, rate=16_000, channels=1, start=5.0, sound=None, first=0, lost=""):
    size = rate // 50
    out = []
    for i in range(first, first + n):
        samples = np.full((size, channels), 100, np.int16)
        if sound is not None:
            samples[:] = sound[i * size : (i + 1) * size, None]
        at = start + (i + 1) * 0.02
        out.append(Buffer(samples, rate, Arrival(at, 0.02), lost if i == first else ""))
    return out


def collect(runs, items):
    out = []
    for item in items:
        out.extend(runs.push(item))
    return out + list(runs.finish())


def test_the_first_sound_waits_for_the_anchor_and_nothing_is_lost():
    runs = CaptureRuns(latency_s=0.04)
    items = buffers(30)
    given = [len(list(runs.push(b))) for b in items]
    assert given[:9] == [0] * 9
    assert given[9] == 10
    assert given[10:] == [1] * 20


def test_blocks_of_a_run_meet_exactly():
    blocks = collect(CaptureRuns(0.04), buffers(200))
    assert len(blocks) == 200
    assert blocks[0].t0 == pytest.approx(5.0)
    assert all(a.t1 == b.t0 for a, b in itertools.pairwise(blocks))
    assert all(b.samples.tolist() == [100] * 320 for b in blocks)


def test_a_short_recording_still_comes_out():
    blocks = collect(CaptureRuns(0.04), buffers(3))
    assert sum(len(b.samples) for b in blocks) == 960


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2), (8_000, 1)])
def test_other_rates_are_resampled_with_their_timing_kept(rate, channels):
    sound = np.zeros(3 * rate, np.int16)
    sound[2 * rate : 2 * rate + rate // 200] = 20_000  # a burst 2 s after the start
    size = rate // 50
    items = buffers(len(sound) // size, rate, channels, sound=sound)
    blocks = collect(CaptureRuns(0.04), items)
    assert all(isinstance(b, AudioBlock) for b in blocks)
    samples = np.concatenate([b.samples for b in blocks])
    assert len(samples) == pytest.approx(48_000, abs=2)
    onset = np.flatnonzero(samples > 8_000)[0] / 16_000
    assert blocks[0].t0 + onset == pytest.approx(7.0, abs=0.001)
    assert all(abs(a.t1 - b.t0) < 1e-6 for a, b in itertools.pairwise(blocks))


def test_an_overflow_is_a_gap_and_the_sound_after_it_is_timed_afresh():
    items = buffers(50) + buffers(50, start=5.0 + 0.3, first=50, lost="input overflow")
    out = collect(CaptureRuns(0.04), items)
    (gap,) = [m for m in out if isinstance(m, Gap)]
    assert (gap.stream, gap.cause) == ("audio", "input overflow")
    assert (gap.t0, gap.t1) == pytest.approx((6.0, 6.3))
    place = out.index(gap)
    assert out[place - 1].t1 == gap.t0
    assert out[place + 1].t0 == gap.t1
    assert sum(len(m.samples) for m in out if isinstance(m, AudioBlock)) == 100 * 320


def test_an_overflow_without_measurable_loss_is_still_told():
    items = buffers(20) + buffers(20, first=20, lost="input overflow")
    (gap,) = [m for m in collect(CaptureRuns(0.04), items) if isinstance(m, Gap)]
    assert gap.t1 - gap.t0 == pytest.approx(0.0, abs=1e-6)


def test_an_overflow_before_the_first_sound_is_no_gap():
    out = collect(CaptureRuns(0.04), buffers(20, lost="input overflow"))
    assert not [m for m in out if isinstance(m, Gap)]


def test_loss_that_the_device_kept_to_itself_becomes_a_gap():
    items = buffers(100) + buffers(150, start=5.5, first=100)
    out = collect(CaptureRuns(0.04), items)
    (gap,) = [m for m in out if isinstance(m, Gap)]
    assert gap.t1 - gap.t0 == pytest.approx(0.5, abs=0.02)
    assert "did not say so" in gap.cause
    assert out[-1].t1 == pytest.approx(5.5 + 250 * 0.02, abs=0.001)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_channels_that_cancel_each_other_are_noticed(rate):
    size = rate // 50
    wave = 10_000 * np.sin(2 * np.pi * 440 * np.arange(100 * size) / rate)
    sound = np.stack([wave, -wave], axis=1).astype(np.int16)
    runs = CaptureRuns(0.04)
    out, reports = [], []
    for i in range(100):
        piece = sound[i * size : (i + 1) * size]
        out += runs.push(Buffer(piece, rate, Arrival(5.0 + (i + 1) * 0.02, 0.02)))
        reports += runs.reports()
    samples = np.concatenate([b.samples for b in [*out, *runs.finish()]])
    assert len(samples) == pytest.approx(32_000, abs=2)
    assert np.abs(samples[16_000:].astype(int)).max() == pytest.approx(10_000, rel=0.02)
    (report,) = reports
    assert "cancel each other: channel 1 is used" in report
