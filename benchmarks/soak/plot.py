"""A soak as a picture: memory, offset of sound and picture, and delay, over the hours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmer.benchmarks.report.report import Report

PANELS: Final = {
    "memory_mb": "memory, MB",
    "av_offset_ms": "sound stamped later\nthan the picture, ms",
    "face_delay_ms": "newest video frame to\nestimate written, ms of the clip",
}


def draw_soak(report: Report, rate: float, path: Path) -> None:
    """A panel a series, over hours of the clip; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 7.0), layout="constrained")
    axes = figure.subplots(len(PANELS), 1, sharex=True)
    for axis, (name, label) in zip(axes, PANELS.items(), strict=True):
        # memory is watched from outside, in the world's time
        faster = rate if name == "memory_mb" else 1.0
        points = report.series[name]
        axis.plot([t * faster / 3600 for t, _ in points], [value for _, value in points], ".",
                  markersize=2)  # fmt: skip
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    offsets = [abs(ms) for _, ms in report.series["av_offset_ms"]]
    axes[1].set_ylim(-max([1.0, *offsets]), max([1.0, *offsets]))  # no noise blown up
    axes[-1].set_xlabel("hours of the clip")
    figure.savefig(path, dpi=120, metadata={"Software": None})
