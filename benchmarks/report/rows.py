"""Rows of delays and slopes: percentiles that count what never came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.statistics import Slope, Summary, summarise

TOO_SHORT: Final = "too short for a slope"


def delay_row(
    key: str,
    what: str,
    delays_ms: Sequence[float],
    note: str = "",
    target: str = "",
    values: dict[str, float | None] | None = None,
) -> Row:
    """A row of ``delays_ms`` in order of time, infinite where something never came."""
    found = summarise(delays_ms)
    return Row(
        key=key,
        what=what,
        measured=shown(found),
        target=target,
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
    """Whole milliseconds with the unit, or "never"."""
    return f"{number(ms)} ms" if math.isfinite(ms) else number(ms)


def percentiles(found: Summary) -> dict[str, float | None]:
    """Percentiles as a row's values."""
    return asdict(found)


def slope_row(
    key: str, what: str, found: Slope | None, unit: str, target: str, too_short: str = TOO_SHORT
) -> Row:
    """A slope a minute with its interval; where there is none, ``too_short`` says why."""
    if found is None:
        return Row(key, what, "not measured", target, note=too_short)
    measured = f"{found.per_minute:+.2f} {unit}/min ({found.low:+.2f} to {found.high:+.2f})"
    return Row(key, what, measured, target, values=asdict(found))
