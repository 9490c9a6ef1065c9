"""Delay over time of every program, and what became of the sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.baselines.measures import Program
from mmer.benchmarks.harness.clip import AnnotatedClip

COLOURS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:purple")
LOST: Final = "red"


def draw(programs: Sequence[Program], clip: AnnotatedClip, path: Path) -> None:
    """Above the age of each answer's frame, below recorded and lost sound and the answers; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axis in (above, below):
        for span in clip.spans:
            axis.axvspan(span.t0, span.t1, color="0.92", zorder=0)
    for place, program in enumerate(programs):
        colour = COLOURS[place % len(COLOURS)]
        ages = [(a.written, a.written - a.frame) for a in program.trace.answers if a.frame]
        above.plot(
            [t for t, _ in ages], [1000 * age for _, age in ages],
            color=colour, marker=".", markersize=3, linewidth=0.8, label=program.title,
        )  # fmt: skip
        _sound(below, place, colour, program, clip)
    above.set_yscale("log")
    above.set_ylabel("frame captured to\nits answer written, ms")
    above.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=8, loc="outside upper center", ncols=len(programs))
    above.set_title("The same networks on the same clip; grey: someone speaks", fontsize=10)
    below.set_yticks(range(len(programs)), [program.title for program in programs], fontsize=8)
    below.invert_yaxis()
    below.set_xlabel("seconds of the clip; red: sound that was never recorded; dot: an answer with "
                     "new sound", fontsize=8)  # fmt: skip
    below.set_xlim(0, clip.seconds)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _sound(axis: Any, place: int, colour: str, program: Program, clip: AnnotatedClip) -> None:
    axis.broken_barh([(0, clip.seconds)], (place - 0.3, 0.6), color=colour, alpha=0.25)
    lost = [(t0, t1 - t0) for t0, t1 in program.trace.lost]
    axis.broken_barh(lost, (place - 0.3, 0.6), color=LOST)
    news, before = [], None
    for answer in program.trace.answers:
        if answer.sound is not None and answer.sound != before:
            news.append(answer.written)
            before = answer.sound
    axis.plot(news, [place] * len(news), ".", color=colour, markersize=4)
