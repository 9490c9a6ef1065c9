"""Percentiles with misses, slopes with intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmer.benchmarks.report.statistics import Ratio, Slope, ratio, slope, summarise


def test_percentiles_are_nearest_ranks() -> None:
    found = summarise(list(range(1, 101)))
    assert (found.p50, found.p90, found.p95, found.p99) == (50, 90, 95, 99)
    assert (found.max, found.n) == (100, 100)
    one = summarise([7.0])
    assert (one.p50, one.p95, one.max) == (7, 7, 7)


def test_a_miss_is_infinitely_late() -> None:
    found = summarise([1.0] * 18, misses=2)
    assert found.n == 20
    assert found.p50 == 1
    assert found.p95 == found.max == math.inf
    assert summarise([1.0] * 39, misses=1).p95 == 1
    assert summarise([1.0, math.inf]).misses == 1


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
    assert found.above_zero


def test_noise_is_no_growth() -> None:
    found = slope(np.arange(600.0), 20 + noise(600))
    assert found is not None
    assert found.low < 0 < found.high
    assert not found.above_zero


def test_zeros_are_no_growth() -> None:
    found = slope(np.arange(600.0), np.zeros(600))
    assert found == Slope(0, 0, 0, pytest.approx(599 / 60))
    assert not found.above_zero


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


def test_a_ratio_has_its_truth_within_its_interval() -> None:
    """Twice as slow: in 40 pairs of runs the interval holds 2 in nearly all of them."""
    generator = np.random.default_rng(7)
    held = 0
    for run in range(40):
        a = generator.gamma(4, 10, 400)
        b = 2 * generator.gamma(4, 10, 300)
        found = ratio(a, b, 50, seed=run)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 2 <= found.high
        assert found.high < 3
    assert 34 <= held <= 40


def test_a_ratio_of_dependent_values_is_less_sure() -> None:
    generator = np.random.default_rng(5)
    alone = generator.normal(50, 5, 600)
    waves = np.repeat(generator.normal(50, 5, 60), 10)
    single, dependent = ratio(alone, alone + 1, 50), ratio(waves, waves + 1, 50)
    assert single.low is not None
    assert single.high is not None
    assert dependent.low is not None
    assert dependent.high is not None
    assert dependent.high - dependent.low > 1.5 * (single.high - single.low)


def test_ratios_of_what_never_comes() -> None:
    some = [1.0] * 18
    never = [1.0] * 8 + [math.inf] * 10
    assert ratio(some, never, 50).value == math.inf
    assert ratio(never, some, 50).value == 0
    assert math.isnan(ratio(never, never, 95).value)
    assert ratio([3.0], [6.0], 50) == Ratio(2.0, None, None)
