"""Delays as rows: percentiles that count what never came."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.statistics import Slope, Summary, summarise


def delay_row(
    key: str,
    what: str,
    delays_ms: Sequence[float],
    note: str = "",
    target: str = "",
    passed: bool | None = None,
    values: dict[str, float | None] | None = None,
) -> Row:
    """A row of ``delays_ms`` in order of time, infinite where something never came."""
    found = summarise(delays_ms)
    return Row(
        key=key,
        what=what,
        measured=shown(found),
        target=target,
        passed=passed if found.n else None,
        note=note,
        values=percentiles(found) | (values or {}),
        samples={"delay_ms": list(delays_ms)},
    )


def shown(found: Summary) -> str:
    """The percentiles in words, in ms."""
    if not found.n:
        return "none"
    of = ("p50", "p90", "p95", "p99", "max")
    return ", ".join(f"{name} {number(getattr(found, name))}" for name in of) + " ms"


def number(ms: float) -> str:
    """Whole milliseconds, or "never"."""
    return "never" if math.isinf(ms) else "none" if math.isnan(ms) else f"{ms:.0f}"


def milliseconds(ms: float) -> str:
    """The same with its unit."""
    return f"{number(ms)} ms" if math.isfinite(ms) else number(ms)


def percentiles(found: Summary) -> dict[str, float | None]:
    """For a row's values."""
    return {
        "p50": found.p50,
        "p90": found.p90,
        "p95": found.p95,
        "p99": found.p99,
        "max": found.max,
        "n": found.n,
        "misses": found.misses,
    }


def shown_slope(found: Slope, unit: str) -> str:
    """A slope with its interval, in words."""
    return f"{found.per_minute:+.2f} {unit}/min ({found.low:+.2f} to {found.high:+.2f})"


def slope_values(found: Slope | None) -> dict[str, float | None]:
    """For a row's values."""
    if found is None:
        return {}
    return {
        "per_minute": found.per_minute,
        "low": found.low,
        "high": found.high,
        "minutes": found.minutes,
    }
