"""Percentiles that count misses, slopes and ratios with an interval.

Neighbours in a run resemble each other, so every interval here draws whole blocks of neighbours
with replacement (``ratio`` moving ones: Künsch 1989, Annals of Statistics 17:1217; ``slope`` those
of fixed spans of time), is the middle 95 % of 1000 such draws, and is seeded: the same values give
the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

RESAMPLES: Final = 1000
MOST_SAMPLES: Final = 2000
"""Most values of a sample in a report: half an hour has 90000 blocks of sound."""
LEAST: Final = 10
"""Below so many values there is no interval: resampling them would pretend to know more."""


@dataclass(frozen=True)
class Summary:
    """Percentiles of ``n`` values, ``misses`` of them infinite: what never came is late for ever.

    A percentile is the nearest rank: the smallest value that so many percent do not exceed. All
    are NaN when there are no values.
    """

    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    n: int
    misses: int


def summarise(values: Sequence[float], misses: int = 0) -> Summary:
    """Percentiles of ``values`` and ``misses`` values that are infinite (as may be some values)."""
    ordered = sorted([*values, *[math.inf] * misses])
    n = len(ordered)
    never = sum(map(math.isinf, ordered))
    if n == 0:
        ordered = [math.nan]
    p50, p90, p95, p99 = (percentile(ordered, percent) for percent in (50, 90, 95, 99))
    return Summary(p50, p90, p95, p99, ordered[-1], n, never)


def percentile(ordered: Sequence[float] | NDArray[np.float64], percent: int) -> float:
    """The nearest rank of ``ordered`` values, of which there must be one."""
    return float(ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)])


def thinned(values: Sequence[T], most: int = MOST_SAMPLES) -> list[T]:
    """At most ``most`` of ``values``, evenly spread."""
    every = max(1, -(-len(values) // most))
    return list(values[::every])


@dataclass(frozen=True)
class Slope:
    """Slope a minute by least squares, its 95 % interval, and the minutes measured."""

    per_minute: float
    low: float
    high: float
    minutes: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above 0, however small the slope."""
        return self.low > 0


def slope(t_s: Sequence[float], values: Sequence[float], block_s: float = 10.0) -> Slope | None:
    """Slope of ``values`` over times ``t_s`` (seconds, in order); None below three blocks.

    Blocks of the interval are ``block_s`` long: longer than a disturbance lasts.
    """
    t = np.asarray(t_s, np.float64) / 60
    y = np.asarray(values, np.float64)
    if len(t) < 3 or (t[-1] - t[0]) * 60 < 3 * block_s:
        return None
    number = np.floor((t - t[0]) * 60 / block_s).astype(int)
    blocks = [np.flatnonzero(number == k) for k in np.unique(number)]
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        picked = generator.integers(0, len(blocks), len(blocks))
        index = np.concatenate([blocks[k] for k in picked])
        drawn.append(_least_squares(t[index], y[index]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Slope(_least_squares(t, y), float(low), float(high), float(t[-1] - t[0]))


@dataclass(frozen=True)
class Ratio:
    """Ratio of the second sample's percentile to the first's, with its 95 % interval.

    ``low`` and ``high`` are None where there are too few values. A percentile that never comes is
    infinite; of two such ones the ratio is NaN.
    """

    value: float
    low: float | None
    high: float | None


def ratio(first: Sequence[float], second: Sequence[float], percent: int, seed: int = 0) -> Ratio:
    """Percentile of ``second`` by that of ``first``; both in order of time, and not empty."""
    a, b = np.sort(np.asarray(first, np.float64)), np.sort(np.asarray(second, np.float64))
    value = _divided(percentile(b, percent), percentile(a, percent))
    if min(len(a), len(b)) < LEAST:
        return Ratio(value, None, None)
    generator = np.random.default_rng(seed)
    drawn_a = _drawn(np.asarray(first, np.float64), percent, generator)
    drawn_b = _drawn(np.asarray(second, np.float64), percent, generator)
    ratios = [_divided(y, x) for x, y in zip(drawn_a, drawn_b, strict=True)]
    known = sorted(r for r in ratios if not math.isnan(r))
    if not known:
        return Ratio(value, None, None)
    return Ratio(value, known[int(0.025 * len(known))], known[math.ceil(0.975 * len(known)) - 1])


def _drawn(
    values: NDArray[np.float64], percent: int, generator: np.random.Generator
) -> list[float]:
    """The percentile of each resample of ``values`` (n,)."""
    n = len(values)
    length = max(1, round(n ** (1 / 3)))  # the order that the bootstrap's theory asks for
    starts = generator.integers(0, n - length + 1, (RESAMPLES, math.ceil(n / length)))
    out = []
    for row in starts:
        index = (row[:, None] + np.arange(length)).ravel()[:n]
        out.append(percentile(np.sort(values[index]), percent))
    return out


def _divided(b: float, a: float) -> float:
    if math.isinf(a):
        return math.nan if math.isinf(b) else 0.0
    if a == 0:
        return math.nan if b == 0 else math.inf
    return b / a


def _least_squares(t: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    centred = t - t.mean()
    spread = float(centred @ centred)
    return float(centred @ y) / spread if spread > 0 else 0.0
