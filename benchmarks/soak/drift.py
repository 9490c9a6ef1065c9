"""Whether sound and picture move apart as hours pass, by the stamps of simultaneous moments."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Final

from mmer.benchmarks.report.report import Row
from mmer.benchmarks.report.statistics import slope

Stamp = tuple[float, float]
"""True time of a moment of the clip, and the capture time that its message bore; seconds."""

NEAR_S: Final = 1.0  # a frame so near to an onset is of the same moment, as drift goes
MAY_DRIFT_MS: Final = 1.0  # an hour: a day of it stays below what people notice (ITU-R BT.1359)
LEAST_S: Final = 1800.0


def offsets_ms(onsets: Sequence[Stamp], frames: Sequence[Stamp]) -> list[tuple[float, float]]:
    """At each onset: its true time, and by how much the sound is stamped later than the picture.

    The error of the onset's stamp less that of the nearest frame's; onsets with no frame near are
    left out. Both in order of time.
    """
    times = [truth for truth, _ in frames]
    out = []
    for truth, stamped in onsets:
        at = bisect.bisect_left(times, truth)
        near = min(
            frames[max(0, at - 1) : at + 1],
            key=lambda frame: abs(frame[0] - truth),
            default=None,
        )
        if near is not None and abs(near[0] - truth) <= NEAR_S:
            late_ms = 1000 * ((stamped - truth) - (near[1] - near[0]))
            out.append((truth, round(late_ms, 6) + 0.0))  # sums of floats: below a nanosecond
    return out


def drift_row(
    onsets: Sequence[Stamp], frames: Sequence[Stamp], seconds: float, block_s: float
) -> Row:
    """The slope of the offset between sound and picture, in ms an hour of the clip."""
    offsets = offsets_ms(onsets, frames)
    found = slope([t for t, _ in offsets], [ms for _, ms in offsets], block_s)
    what = "drift between sound and picture"
    target = f"within {MAY_DRIFT_MS:g} ms an hour, the whole interval"
    samples = {"offset_ms": [ms for _, ms in offsets]}
    if found is None:
        short = "too short for a slope"
        return Row("av_drift", what, "not measured", target, None, short, samples=samples)
    per_hour, low, high = (
        round(60 * v, 6) + 0.0 for v in (found.per_minute, found.low, found.high)
    )
    worst = max(abs(low), abs(high))
    long = seconds >= LEAST_S
    notes = [
        f"{len(offsets)} onsets of sentences, each against the frame of its moment",
        f"offset {offsets[0][1]:+.1f} ms at the begin, {offsets[-1][1]:+.1f} ms at the end",
        "" if long else f"judged with {LEAST_S / 3600:g} hours or more",
    ]
    return Row(
        key="av_drift",
        what=what,
        measured=f"{per_hour:+.3f} ms/h ({low:+.3f} to {high:+.3f})",
        target=target,
        passed=worst <= MAY_DRIFT_MS if long else None,
        note="; ".join(n for n in notes if n),
        values={"ms_per_hour": per_hour, "low": low, "high": high, "n": len(offsets)},
        samples=samples,
    )
