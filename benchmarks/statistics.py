"""Percentiles that count misses, and slopes with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 1000


@dataclass(frozen=True)
class Summary:
    """Percentiles of ``n`` values, ``misses`` of them infinite: what never came is late for ever.

    A percentile is the nearest rank: the smallest value that so many percent do not exceed. All
    are NaN when there are no values.
    """

    n: int
    misses: int
    p50: float
    p95: float
    max: float


def summarise(values: Sequence[float], misses: int = 0) -> Summary:
    """Percentiles of ``values`` and ``misses`` values that are infinite."""
    ordered = sorted([*values, *[math.inf] * misses])
    n = len(ordered)
    if n == 0:
        return Summary(0, 0, math.nan, math.nan, math.nan)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * n) - 1)]

    return Summary(n, misses, rank(0.5), rank(0.95), ordered[-1])


@dataclass(frozen=True)
class Slope:
    """Growth a minute by least squares, its 95 % interval, and the minutes it was seen over."""

    per_minute: float
    low: float
    high: float
    minutes: float

    @property
    def growth(self) -> float:
        """What it comes to over the time it was seen."""
        return self.per_minute * self.minutes

    def grows(self, tolerance: float) -> bool:
        """Whether growth is shown: the whole interval above 0, and more than ``tolerance`` in all.

        ``tolerance`` is in the unit of the values: a certain growth may be too small to matter.
        """
        return self.low > 0 and self.high * self.minutes > tolerance


def slope(t_s: Sequence[float], values: Sequence[float], block_s: float = 10.0) -> Slope | None:
    """Slope of ``values`` over times ``t_s`` (seconds, in order); None below three blocks.

    The interval is a block bootstrap's (percentiles of 1000 resamples, seeded): neighbours resemble
    each other, so whole blocks of ``block_s`` are drawn, not single values.
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


def _least_squares(t: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    centred = t - t.mean()
    spread = float(centred @ centred)
    return float(centred @ y) / spread if spread > 0 else 0.0
