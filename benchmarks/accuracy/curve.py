"""`mmer-bench curve`: anytime accuracy, after half a second of speech, one, two, and all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.accuracy.curve_clips import clips_panel
from mmer.benchmarks.accuracy.curve_unimodal import speech_panel, text_panel
from mmer.benchmarks.accuracy.moments import Panel, Point
from mmer.benchmarks.harness.command import Asr, Folder, OptionalFolder, Say
from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.harness.networks import hashes
from mmer.benchmarks.report.report import check_folder, rounded
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.realtime.options import Options
from mmer.training.plotting import need_matplotlib

VERSION: Final = 1
"""``v`` of the JSON; it changes when a key changes its meaning or goes."""
_HEAD: Final = "| | 0.5 s | 1 s | 2 s | end |\n|---|---|---|---|---|\n"
_PREFACE: Final = """\
How right the label is after half a second, one and two seconds of speech, and at the end. In each
cell: unweighted recall, with its 95 % bootstrap interval, and accuracy. A clip without an answer by
then counts as wrong; where there are such, the share that has one is given.
"""
END_AT: Final = 3.0
"""Place of "at the end" on the axis of seconds."""
DODGE_S: Final = 0.04
"""Distance of the lines, so that their intervals do not cover each other."""


@dataclass(frozen=True)
class Curve:
    """Accuracy of the label after 0.5, 1 and 2 s of speech and at the end, with a plot.

    Measured are speech alone (RAVDESS actors 17-20, cut short), speech, text and face through the
    replay pipeline (RAVDESS Actor_01; the known text beside transcripts), and text alone (MELD dev
    at a simulated rate of speech, with and without simulated errors). What is not on disk is left
    out, with the reason. Writes curve.png, curve.json and curve.md.
    """

    data: Folder
    """Folder of the corpora: audio/ravdess, video/ravdess_actor01_frames, text/meld."""
    output: Folder
    """Folder for the results; it must be there."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    asr: Asr = "moonshine"
    """Speech recognizer for the clips."""

    def measure(self, command: str) -> int:
        """Measure the curves, write them, and show the table."""
        from rich.console import Console
        from rich.markdown import Markdown

        check_folder("--data", self.data)
        check_folder("--output", self.output)
        Options(source="clip", asr=self.asr)  # refuses what the recognizer would
        need_matplotlib("mmer-bench curve")
        with Console(stderr=True).status("starting") as status:
            curves = self.run(status.update)
            status.update("drawing")
            draw(curves.panels, self.output / "curve.png")
        text = curves.to_markdown("curve.png")
        (self.output / "curve.json").write_text(curves.to_json(), encoding="utf-8")
        (self.output / "curve.md").write_text(text, encoding="utf-8")
        Console().print(Markdown(text))
        return 0

    def run(self, say: Say) -> Curves:
        """Measure what there is data for.

        Raises:
            MmerError: there is data for nothing; a model or a package is missing.
        """
        machine = describe_machine()
        panels: list[Panel] = []
        skipped: dict[str, str] = {}
        wanted: tuple[tuple[str, str, Callable[[], Panel]], ...] = (
            ("voice", "audio/ravdess", lambda: speech_panel(self.data, self.weights, say)),
            (
                "voice, words and face",
                "video/ravdess_actor01_frames",
                lambda: clips_panel(self.data, self.weights, self.asr, say),
            ),
            ("words", "text/meld", lambda: text_panel(self.data, self.weights, say)),
        )
        for name, place, measure in wanted:
            if (self.data / place).is_dir():
                panels.append(measure())
            else:
                skipped[name] = f"DATA/{place} is not there"
        if not panels:
            raise MmerError(f"nothing to measure on: {'; '.join(skipped.values())}")
        return Curves(machine, hashes(self.weights), panels, skipped)


@dataclass(frozen=True)
class Curves:
    """Measured panels, and what was left out and why."""

    machine: Mapping[str, Any]
    models: Mapping[str, str]  # sha256 of each network
    panels: Sequence[Panel]
    skipped: Mapping[str, str]  # by panel, why

    def to_json(self) -> str:
        """JSON, version 1."""
        whole = {"v": VERSION, "type": "curve", **asdict(self)}
        return json.dumps(rounded(whole), indent=1, allow_nan=False) + "\n"

    def to_markdown(self, plot: str) -> str:
        """A table a panel under the ``plot``, whose address is given."""
        parts = [f"# Accuracy against time\n\n![accuracy against time]({plot})\n", _PREFACE]
        parts += [_section(panel) for panel in self.panels]
        parts += [f"**{name}** is left out: {why}.\n" for name, why in self.skipped.items()]
        m = self.machine
        parts.append(
            f"`mmer-bench curve --data DATA --output DIR`; commit {m['commit'] or 'unknown'}; "
            f"{m['date']}\n"
        )
        return "\n".join(parts)


def _section(panel: Panel) -> str:
    first = panel.lines[0].points
    speaking = [f"{1 - p.speaking / p.n:.0%} at {p.t_s:g} s" for p in first if p.t_s is not None]
    return "\n".join(
        [
            f"## {panel.title[0].upper()}{panel.title[1:]}\n",
            f"{panel.data}. n = {first[0].n}; always the commonest answer would be right in "
            f"{first[0].floor_accuracy:.1%}; over by then are {', '.join(speaking)}; intervals by "
            f"{first[0].resampled_by}.\n",
            _HEAD
            + "\n".join(
                f"| {line.name} | " + " | ".join(map(_cell, line.points)) + " |"
                for line in panel.lines
            )
            + "\n",
            *(f"- {note[0].upper()}{note[1:]}." for note in panel.notes),
            "",
        ]
    )


def _cell(point: Point) -> str:
    low, high = point.interval["unweighted_recall"]
    text = (
        f"**{100 * point.unweighted_recall:.1f}** ({100 * low:.1f} to {100 * high:.1f}), "
        f"{100 * point.accuracy:.1f}"
    )
    return text if point.answered == point.n else f"{text}; {point.answered / point.n:.0%} answered"


def draw(panels: Sequence[Panel], path: Path) -> None:
    """A column a panel: unweighted recall above, accuracy with its floor below; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(panels), 7.0), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey=True)
    for column, panel in enumerate(panels):
        upper, lower = axes[0][column], axes[1][column]
        upper.set_title(f"{panel.title}\n{panel.data.replace('; ', chr(10))}", fontsize=9)
        _lines(upper, panel, "unweighted_recall")
        upper.axhline(100 / len(EMOTIONS), color="0.6", linestyle=":", label="chance")
        _lines(lower, panel, "accuracy")
        floor = panel.lines[0].points[0].floor_accuracy
        lower.axhline(100 * floor, color="0.4", linestyle="--", label="always the commonest")
        for axis in (upper, lower):  # recall of 80 % and more is out of sight
            axis.legend(fontsize=7, loc="upper left", ncols=1 if len(panel.lines) < 5 else 2)
        lower.set_xlabel("seconds of speech")
    axes[0][0].set_ylabel("unweighted recall, %")
    axes[1][0].set_ylabel("accuracy, %")
    axes[0][0].set_ylim(0, 100)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _lines(axis: Any, panel: Panel, key: str) -> None:
    for number, line in enumerate(panel.lines):
        shift = (number - (len(panel.lines) - 1) / 2) * DODGE_S
        xs = [(END_AT if p.t_s is None else p.t_s) + shift for p in line.points]
        ys = [100 * getattr(p, key) for p in line.points]
        axis.errorbar(
            xs, ys, yerr=_whiskers(line.points, key), marker="o", markersize=4, capsize=2,
            linewidth=1.4, elinewidth=0.8, label=line.name,
        )  # fmt: skip
    times = [p.t_s for p in panel.lines[0].points if p.t_s is not None]
    axis.set_xticks([*times, END_AT], [*(f"{t:g}" for t in times), "end"])
    axis.grid(axis="y", alpha=0.3)


def _whiskers(points: Sequence[Point], key: str) -> list[list[float]]:
    middle = [getattr(p, key) for p in points]
    low = [100 * max(0.0, m - p.interval[key][0]) for m, p in zip(middle, points, strict=True)]
    high = [100 * max(0.0, p.interval[key][1] - m) for m, p in zip(middle, points, strict=True)]
    return [low, high]
