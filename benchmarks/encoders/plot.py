"""Plot of the time of a call of each network, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer.benchmarks.report.report import Row

SIZES = ("batch1", "batch8")


def draw_encoders(rows: Sequence[Row], path: Path) -> None:
    """A bar for each network, precision and provider: median a row, alone and of eight; PNG.

    The thin line goes on to the 99th percentile. What is not here is left out.
    """
    from matplotlib.figure import Figure

    timed = {row.key: row.values for row in rows if row.key.endswith(SIZES)}
    names = list(dict.fromkeys(key.rsplit(".", 1)[0] for key in timed))
    figure = Figure(figsize=(9.0, 1.2 + 0.4 * len(names)), layout="constrained")
    axis = figure.subplots()
    for k, (size, label) in enumerate(zip(SIZES, ("alone", "of eight at once"), strict=True)):
        each = [timed[f"{name}.{size}"] for name in names]
        medians = [v["p50_a_row"] or 0.0 for v in each]
        share = [(v["p50_a_row"] or 0.0) / (v["p50"] or 1.0) for v in each]
        tails = [(v["p99"] or 0.0) * s - m for v, s, m in zip(each, share, medians, strict=True)]
        places = [i + 0.4 * k for i in range(len(names))]
        axis.barh(places, medians, 0.36, xerr=[[0.0] * len(names), tails], label=label)
    axis.set_yticks([i + 0.2 for i in range(len(names))], [n.replace(".", " ") for n in names])
    axis.invert_yaxis()
    axis.set_xlabel("ms an input: median, and on to the 99th percentile")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=120, metadata={"Software": None})
