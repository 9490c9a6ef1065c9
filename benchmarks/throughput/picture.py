"""Delay and cost by the number of streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer.benchmarks.throughput.measures import LIMIT_MS, Load


def draw(loads: Sequence[Load], path: Path) -> None:
    """On the left the 95th percentiles with their limit, on the right what a stream costs; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    counts = [load.streams for load in loads]
    left.plot(counts, [load.face.p95 for load in loads], marker="o", label="frame to estimate")
    left.plot(
        counts, [load.final.p95 for load in loads], marker="s", label="end of speech to final label"
    )
    left.axhline(LIMIT_MS, color="red", linestyle="--", label="limit")
    left.set_yscale("log")
    left.set_ylabel("p95, ms")
    right.plot(counts, [load.cpu_each for load in loads], marker="o", label="each stream")
    right.plot(counts, [load.cpu for load in loads], marker="s", label="all together")
    right.set_ylabel("processor seconds a second")
    for axis in (left, right):
        axis.set_xlabel("streams at once")
        axis.set_ylim(bottom=None if axis is left else 0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=120, metadata={"Software": None})
