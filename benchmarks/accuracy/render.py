"""Accuracy table in Markdown, from its JSON alone: the whole page, and the part for the README."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.accuracy.row import GROUPS, METRICS
from mmer.models.errors import MmerError

BEGIN, END = "<!-- accuracy -->", "<!-- /accuracy -->"
"""Markers in the README of the part that ``mmer-bench accuracy`` writes."""

MOST_NAMED: Final = 2
"""Rows that a note names; further ones are counted."""

_PREFACE: Final = """\
# Accuracy

Written by `mmer-bench accuracy --data DATA --output DIR`. Percent; the floor is the accuracy of
always giving the commonest answer; recall is the mean over classes; ECE is how far confidence lies
from accuracy. In bold, with its 95 % bootstrap interval (speakers or dialogues are drawn anew;
single items where there are fewer than ten of those), what the task is evaluated by. No answer is
withheld.

*Development* data were not trained on, but recipes, temperatures and thresholds were chosen by
them: expect less elsewhere. *In domain*: other items of corpora that were trained on. *Out of
domain*: nothing of the corpus was trained on, nothing was tuned on these items. Rows in italics are
others' published figures; none is measured as ours is, and the notes say how they differ.
"""


def page(report: Mapping[str, Any]) -> str:
    """Everything: the table with the published figures, notes, what was skipped and why."""
    rows = report["rows"]
    measured = [row for row in rows if row["status"] == "measured"]
    marks = _marks(report, measured)
    parts = [_PREFACE, _table(report, measured, marks, whole=True), ""]
    parts += _footnotes(marks)
    parts += ["", *_notes(measured)]
    for status, heading in (("skipped", "Not measured"), ("failed", "Failed")):
        left = [row for row in rows if row["status"] == status]
        if left:
            parts += ["", f"## {heading}", ""]
            parts += [f"- {row['data']}, {row['condition']}: {row['why']}" for row in left]
    machine = report["machine"]
    hashes = ", ".join(f"{name} `{sha[:12]}`" for name, sha in report["models"].items())
    parts += [
        "",
        f"Networks: {hashes}. Commit {machine['commit'] or 'unknown'}, {machine['date']}.",
    ]
    for group, at in report.get("kept", {}).items():
        parts.append(f"Rows of {group}: commit {at['commit'] or 'unknown'}, {at['date']}.")
    return "\n".join(parts) + "\n"


def readme_part(report: Mapping[str, Any]) -> str:
    """The rows for the README, between the markers, with a line on each published figure."""
    rows = [r for r in report["rows"] if r["in_readme"] and r["status"] == "measured"]
    marks = _marks(report, rows)
    table = _table(report, rows, marks, whole=False)
    return "\n".join([BEGIN, table, "", *_footnotes(marks), END])


def check_readme(path: Path | None) -> None:
    """Refuse, before hours are spent, a README that could not take its part.

    Raises:
        MmerError: it cannot be read, or has no place for the table.
    """
    if path is None:
        return
    try:
        replace_part(path.read_text(encoding="utf-8"), "")
    except OSError as error:
        raise MmerError(f"cannot read --readme {path}: {error.strerror}") from error


def replace_part(readme: str, part: str) -> str:
    """``readme`` with ``part`` between the markers.

    Raises:
        MmerError: the markers are not there, once each and in order.
    """
    found = re.findall(f"{re.escape(BEGIN)}.*?{re.escape(END)}", readme, flags=re.DOTALL)
    if len(found) != 1 or readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise MmerError(f"the README must have {BEGIN} and {END} once each, in this order")
    return readme.replace(found[0], part)


def _marks(report: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The notes on the published figures that stand beside some of ``rows``, numbered."""
    named = dict.fromkeys(row["anchors"] for row in rows if row["anchors"])
    notes = [_note(anchor) for name in named for anchor in report["anchors"][name]]
    return {note: number for number, note in enumerate(dict.fromkeys(notes), 1)}


def _note(anchor: Mapping[str, Any]) -> str:
    """Source of a published figure, and how it differs."""
    return f"{anchor['source']}: {anchor['protocol']}. Not comparable: {anchor['differs']}."


def _table(
    report: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    marks: Mapping[str, int],
    whole: bool,
) -> str:
    kind, ece = (["kind"], ["ECE"]) if whole else ([], [])
    heads = ["data", "condition", *kind, "n", "floor", *METRICS.values(), *ece]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    group, shown = "", set()
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines.append(f"| **{GROUPS[group]}** |" + " |" * (len(heads) - 1))
        lines.append("| " + " | ".join(_ours(row, whole)) + " |")
        if row["anchors"] and row["anchors"] not in shown:
            shown.add(row["anchors"])
            for anchor in report["anchors"][row["anchors"]]:
                mark = marks[_note(anchor)]
                lines.append("| " + " | ".join(_theirs(anchor, mark, whole)) + " |")
    return "\n".join(lines)


def _ours(row: Mapping[str, Any], whole: bool) -> list[str]:
    found = row["figures"]
    cells = [row["data"], row["condition"], *([row["kind"]] if whole else []), str(found["n"])]
    cells.append(_percent(found["floor_accuracy"]))
    for metric in METRICS:
        text = _percent(found[metric])
        if metric == row["headline"]:
            low, high = found["interval"][metric]
            text = f"**{text}** ({_percent(low)} to {_percent(high)})"
        cells.append(text)
    return [*cells, *([_percent(found["ece"])] if whole else [])]


def _theirs(anchor: Mapping[str, Any], mark: int, whole: bool) -> list[str]:
    values = [f"*{anchor['value']:.1f}*" if m == anchor["metric"] else "" for m in METRICS]
    cells = [f"*published: {anchor['model']}* ({mark})", "*another protocol*"]
    return [*cells, *([""] if whole else []), "", "", *values, *([""] if whole else [])]


def _footnotes(marks: Mapping[str, int]) -> list[str]:
    return [f"- ({mark}) {note}" for note, mark in marks.items()]


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each remark, with what it is about."""
    about: dict[str, list[str]] = {}
    for row in rows:
        for remark in [row["note"], _twins(row), *row["figures"]["warnings"]]:
            if remark:
                about.setdefault(remark, []).append(f"{row['data']}, {row['condition']}")
    return [f"- {_places(places)}: {remark}." for remark, places in about.items()]


def _twins(row: Mapping[str, Any]) -> str:
    twins = row["figures"]["twins"]
    return f"{twins} look like something trained on (equal words, same picture)" if twins else ""


def _places(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return "; ".join(names[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
