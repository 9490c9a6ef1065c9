"""The curves as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from mmer.benchmarks.curve.points import Panel, Point

VERSION: Final = 1
"""``v`` of the JSON; it changes when a key changes its meaning or goes."""
_HEAD: Final = "| | 0.5 s | 1 s | 2 s | end |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Curves:
    """What was measured, with what, and what was left out and why."""

    machine: Mapping[str, Any]
    models: Mapping[str, str]  # sha256 of each network
    panels: Sequence[Panel]
    skipped: Mapping[str, str]  # by panel, why

    def to_json(self) -> str:
        """JSON, version 1."""
        whole = {"v": VERSION, "type": "curve", **asdict(self)}
        return json.dumps(_rounded(whole), indent=1, allow_nan=False) + "\n"

    def to_markdown(self, picture: str) -> str:
        """A table a panel under the ``picture``, whose address is given."""
        parts = [f"# Accuracy against time\n\n![accuracy against time]({picture})\n", _PREFACE]
        parts += [_section(panel) for panel in self.panels]
        parts += [f"**{name}** is left out: {why}.\n" for name, why in self.skipped.items()]
        m = self.machine
        parts.append(
            f"`mmer-bench curve --data DATA --output DIR`; commit {m['commit'] or 'unknown'}; "
            f"{m['date']}\n"
        )
        return "\n".join(parts)


_PREFACE: Final = """\
How right the label is after half a second, one and two seconds of speech, and at the end. In each
cell: unweighted recall, with its 95 % bootstrap interval, and accuracy. A clip without an answer by
then counts as wrong; where there are such, the share that has one is given.
"""


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


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {str(k): _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
