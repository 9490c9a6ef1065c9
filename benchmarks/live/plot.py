"""Where the time goes, as a picture: wait and work of every stage, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmer.benchmarks.live.stages import StageFinding


def draw_stages(found: Sequence[StageFinding], cpu: Mapping[str, float | None], path: Path) -> None:
    """Left, median and p95 of wait and work by stage; right, their CPU time; PNG.

    ``cpu`` are the values of the row of processor time: of the whole, and of other processes. What
    neither these nor a stage's own thread had is "the rest".
    """
    from matplotlib.figure import Figure

    names = [*(f.part.name for f in found), "process of the words", "the rest: reading, decoding"]
    figure = Figure(figsize=(11.5, 0.42 * len(names) + 1.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    for shift, which, alpha in ((-0.19, "p50", 1.0), (0.19, "p95", 0.45)):
        at = [row + shift for row in range(len(found))]
        waits = [getattr(f.wait, which) for f in found]
        works = [getattr(f.work, which) for f in found]
        waiting = {"color": "tab:orange", "label": f"wait in the queue, {which}"}
        working = {"color": "tab:blue", "label": f"work, {which}"}
        left.barh(at, waits, 0.36, alpha=alpha, **waiting)
        left.barh(at, works, 0.36, left=waits, alpha=alpha, **working)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("ms a message")
    left.legend(fontsize=8, loc="lower right")
    children = cpu["children_cpu_s_per_s"] or 0.0
    rest = max(0.0, (cpu["cpu_s_per_s"] or 0.0) - sum(f.cpu_s_per_s for f in found) - children)
    costs = [1000 * c for c in (*(f.cpu_s_per_s for f in found), children, rest)]
    right.barh(range(len(names)), costs, 0.6, color="0.45")
    right.set_xlabel("ms of CPU a second of clip")
    for axis in (left, right):
        axis.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Software": None})
