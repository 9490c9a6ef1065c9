"""Ratios of two runs' figures, each with what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mmer.benchmarks.compare.stored import Stored, samples_of
from mmer.benchmarks.report.statistics import LEAST, percentile, ratio

PERCENTS: Final = (50, 95)
TIMES: Final = ("_ms", "_s", "_us")
"""Endings of samples of which less is faster; a cost a second ("cpu_s_per_s") is none."""


@dataclass(frozen=True)
class Figure:
    """One percentile of one sample in both runs.

    ``ratio`` is b / a, with its 95 % interval (None where there are too few values for one).
    """

    key: str
    what: str
    sample: str
    figure: str  # "p50", "p95", or "value" of a single one
    a: float
    b: float
    ratio: float
    low: float | None
    high: float | None
    verdict: str


def compare(a: Stored, b: Stored) -> list[Figure]:
    """Every figure that both have raw values of; signed ones have no ratio and are left out."""
    found = []
    theirs = b.rows
    for key, row in a.rows.items():
        if key not in theirs:
            continue
        others = samples_of(theirs[key])
        for name, values in samples_of(row).items():
            if name in others and min(*values, *others[name]) >= 0:
                found += _figures(row, name, values, others[name])
    return found


def _figures(
    row: Mapping[str, Any], name: str, a: Sequence[float], b: Sequence[float]
) -> list[Figure]:
    few = min(len(a), len(b)) < LEAST
    out = []
    for percent in PERCENTS[:1] if few else PERCENTS:
        one, other = percentile(sorted(a), percent), percentile(sorted(b), percent)
        found = ratio(a, b, percent)
        single = max(len(a), len(b)) == 1
        out.append(
            Figure(
                key=row["key"],
                what=row["what"],
                sample=name,
                figure="value" if single else f"p{percent}",
                a=one,
                b=other,
                ratio=found.value,
                low=found.low,
                high=found.high,
                verdict=_verdict(found.value, found.low, found.high, name, row["better"]),
            )
        )
    return out


def _verdict(value: float, low: float | None, high: float | None, name: str, better: str) -> str:
    if math.isnan(value):
        return "neither came" if not name.endswith("_per_s") else "both 0"
    if low is None or high is None:
        return "too few values to tell"
    if low <= 1 <= high:
        return "no difference shown"
    less = high < 1
    if name.endswith(TIMES) and not name.endswith("_per_s"):
        return "faster" if less else "slower"
    return "better" if less == (better == "less") else "worse"
