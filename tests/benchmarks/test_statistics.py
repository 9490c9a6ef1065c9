"""Percentiles with misses, slopes with intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmer.benchmarks.statistics import Slope, slope, summarise


def test_percentiles_are_nearest_ranks() -> None:
    found = summarise(list(range(1, 101)))
    assert (found.p50, found.p95, found.max, found.n) == (50, 95, 100, 100)
    one = summarise([7.0])
    assert (one.p50, one.p95, one.max) == (7, 7, 7)


def test_a_miss_is_infinitely_late() -> None:
    found = summarise([1.0] * 18, misses=2)
    assert found.n == 20
    assert found.p50 == 1
    assert found.p95 == found.max == math.inf
    assert summarise([1.0] * 39, misses=1).p95 == 1


def test_nothing_has_no_percentiles() -> None:
    found = summarise([])
    assert found.n == 0
    assert math.isnan(found.p50)
    assert math.isnan(found.max)


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 5, n)


def test_a_growing_delay_is_seen() -> None:
    t = np.arange(600.0)
    found = slope(t, 20 + 3 * t / 60 + noise(600))
    assert found is not None
    assert found.per_minute == pytest.approx(3, abs=0.3)
    assert found.low < found.per_minute < found.high
    assert found.low > 2
    assert found.grows(10)
    assert not found.grows(100)
    assert found.growth == pytest.approx(30, abs=3)


def test_noise_is_no_growth() -> None:
    found = slope(np.arange(600.0), 20 + noise(600))
    assert found is not None
    assert found.low < 0 < found.high
    assert not found.grows(0)


def test_zeros_are_no_growth() -> None:
    found = slope(np.arange(600.0), np.zeros(600))
    assert found == Slope(0, 0, 0, pytest.approx(599 / 60))
    assert not found.grows(0)


def test_a_short_run_has_no_slope() -> None:
    assert slope([], []) is None
    assert slope([0, 1, 2], [1, 1, 1]) is None


def test_the_interval_is_the_same_each_time() -> None:
    t = np.arange(300.0)
    assert slope(t, noise(300)) == slope(t, noise(300))


def test_dependent_neighbours_widen_the_interval() -> None:
    t = np.arange(1200.0)
    waves = np.repeat(noise(60), 20)  # 20 s alike
    alone = slope(t, waves, block_s=1.0)
    blocks = slope(t, waves, block_s=20.0)
    assert alone is not None
    assert blocks is not None
    assert blocks.high - blocks.low > 2 * (alone.high - alone.low)
