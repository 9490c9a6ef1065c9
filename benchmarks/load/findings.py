"""Rows of a session beside busy processes, from its JSON lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from mmer.benchmarks.report.report import Row

Lines = Sequence[Mapping[str, Any]]
Delays = list[tuple[float, float]]
"""Moment on the session's clock, and delay; seconds."""

MOST_AGE_S: Final = 1.0
MOST_WORDS_S: Final = 2.0
RECOVERY_S: Final = 3.0
FINE_AGE_S: Final = 0.3  # of an undisturbed session's estimates
FINE_WORDS_S: Final = 1.0


def estimate_ages(lines: Lines) -> Delays:
    """Age of the newest evidence at every moment an estimate was replaced, by emotion line.

    Just before a line is written the one before it stands: its evidence is older by the time
    between the two.
    """
    shown = [(line["t"], line["latency_ms"]) for line in lines if line["type"] == "emotion"]
    return [
        (t1, late_ms / 1000 + t1 - t0)
        for (t0, late_ms), (t1, _) in pairwise(shown)
        if late_ms is not None
    ]


def transcript_delays(lines: Lines) -> Delays:
    """End of speech to transcript, by utterance line: its time of writing is the next line's."""
    delays: Delays = []
    following = math.inf
    for line in reversed(lines):
        if line["type"] == "utterance":
            delays.append((line["t1"], following - line["t1"]))
        elif line["type"] in ("emotion", "health", "end"):
            following = line["t"]
    return delays[::-1]


def rows(lines: Lines, began: float, ended: float) -> list[Row]:
    """All rows; the load was from ``began`` to ``ended`` on the session's clock, in seconds."""
    ages, words = estimate_ages(lines), transcript_delays(lines)
    partials = [(line["t"], 0.0) for line in lines if line["type"] == "partial"]
    before, later = (0.0, began), (ended + RECOVERY_S, math.inf)
    during = (began, ended + RECOVERY_S)
    missing = sum(
        not line["text"] for line in lines
        if line["type"] == "utterance" and during[0] <= line["t1"] < during[1]
    )  # fmt: skip
    warnings = [
        line["text"] for line in lines if line["type"] == "notice" and line["level"] != "info"
    ]
    return [
        _row("age", "oldest estimate shown", ages, before, FINE_AGE_S + 0.3, "before"),
        _row("age", "oldest estimate shown", ages, during, MOST_AGE_S, "beside"),
        _row("age", "oldest estimate shown", ages, later, FINE_AGE_S + 0.3, "after"),
        _row("words", "end of speech to transcript", words, before, FINE_WORDS_S, "before"),
        _row("words", "end of speech to transcript", words, during, MOST_WORDS_S, "beside"),
        _row("words", "end of speech to transcript", words, later, FINE_WORDS_S, "after"),
        Row(
            key="shed",
            what="partial transcripts a second before, beside and after; empty final ones beside",
            measured=", ".join(
                f"{_number(partials, span) / max(1e-9, min(span[1], _end(lines)) - span[0]):.2f}"
                for span in (before, during, later)
            )
            + f"; {missing} of {_number(words, during)}",
            note="; ".join(dict.fromkeys(warnings)),
        ),
    ]


def _row(
    key: str, what: str, delays: Delays, span: tuple[float, float], most_s: float, when: str
) -> Row:
    found = [delay for t, delay in delays if span[0] <= t < span[1]]
    worst = max(found, default=math.nan)
    return Row(
        key=f"{key}_{when}",
        what=f"{what}, {_WHEN[when]}",
        measured=f"at most {worst:.2f} s" if found else "none",
        target=f"at most {most_s:g} s",
        values={"max_s": worst, "n": len(found)},
        samples={"delay_s": found},
    ).evaluated(worst <= most_s, bool(found), "there was none")


_WHEN: Final = {
    "before": "undisturbed",
    "beside": "beside them and until 3 s later",
    "after": "from 3 s after their end on",
}


def _number(delays: Delays, span: tuple[float, float]) -> int:
    return sum(span[0] <= t < span[1] for t, _ in delays)


def _end(lines: Lines) -> float:
    return max((line["t"] for line in lines if "t" in line), default=0.0)
