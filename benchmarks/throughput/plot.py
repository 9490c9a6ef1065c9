"""Delay and cost by the number of streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer.benchmarks.throughput.measures import LEAST_PER_S, LIMIT_MS, Load


def draw(loads: Sequence[Load], path: Path) -> None:
    """By streams: both 95th percentiles, frames analysed, processor time; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 3.8), layout="constrained")
    delays, frames, cost = figure.subplots(1, 3)
    counts = [load.streams for load in loads]
    delays.plot(counts, [load.face.p95 for load in loads], "o-", label="frame to estimate")
    delays.plot(counts, [load.final.p95 for load in loads], "s-", label="end of speech to label")
    delays.axhline(LIMIT_MS, color="red", linestyle="--", label="limit")
    delays.set_yscale("log")
    delays.set_ylabel("p95, ms")
    means = [sum(load.frames_per_s) / load.streams for load in loads]
    frames.plot(counts, means, "o-", label="mean of the streams")
    frames.plot(counts, [min(load.frames_per_s) for load in loads], "s-", label="the least")
    frames.axhline(LEAST_PER_S, color="red", linestyle="--", label="limit")
    frames.set_ylabel("frames analysed a second, each stream")
    cost.plot(counts, [load.cpu for load in loads], "o-", label="all together")
    first = loads[0]
    linear = [first.cpu_each * count for count in counts]
    cost.plot(counts, linear, color="0.5", linestyle=":", label="as many times the first")
    cost.set_ylabel("processor seconds a second")
    for axis in (delays, frames, cost):
        axis.set_xlabel("streams at once")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    for axis in (frames, cost):
        axis.set_ylim(bottom=0)
    figure.savefig(path, dpi=120, metadata={"Software": None})
