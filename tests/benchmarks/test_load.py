"""Delays beside busy processes: measured from the lines alone, and evaluated where they matter."""

from __future__ import annotations

from typing import Any

import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.load.findings import estimate_ages, rows, transcript_delays


def emotion(t: float, latency_ms: float | None = 50.0) -> dict[str, Any]:
    return {"type": "emotion", "t": t, "latency_ms": latency_ms, "final": False}


def utterance(t1: float, text: str = "so") -> dict[str, Any]:
    return {"type": "utterance", "t1": t1, "text": text}


def session(age_ms: float = 50.0, late_s: float = 0.4, until: float = 20.0) -> list[dict[str, Any]]:
    """20 s of a session, loaded from 3 to 10; ``age_ms`` and ``late_s`` from 5 to ``until``."""
    lines: list[dict[str, Any]] = [{"type": "session"}]
    for quarter in range(80):
        t = quarter / 4
        loaded = 5 <= t < until
        if quarter % 8 == 7:
            lines.append(utterance(t - (late_s if loaded else 0.4)))
        lines.append(emotion(t, age_ms if loaded else 50.0))
    return [*lines, {"type": "end", "t": 20.0}]


def verdicts(lines: list[dict[str, Any]]) -> dict[str, str]:
    return {row.key: row.verdict for row in rows(lines, 3.0, 10.0)}


def test_an_undisturbed_session_passes() -> None:
    assert set(verdicts(session()).values()) == {"pass", ""}


@pytest.mark.parametrize(
    ("late", "missed"),
    [
        ({"age_ms": 900.0, "until": 12.0}, {"age_beside"}),
        ({"age_ms": 600.0, "until": 12.0}, set()),
        ({"age_ms": 600.0}, {"age_after"}),
        ({"late_s": 2.2, "until": 12.0}, {"words_beside"}),
        ({"late_s": 1.6}, {"words_after"}),
    ],
)
def test_delays_are_evaluated_by_their_time(late: dict[str, float], missed: set[str]) -> None:
    found = verdicts(session(**late)).items()
    assert {key for key, verdict in found if verdict == "miss"} == missed


def test_an_estimate_ages_until_the_next_one_is_there() -> None:
    lines = [emotion(1.0, 100.0), emotion(2.5, None), emotion(2.75)]
    assert estimate_ages(lines) == [(2.5, pytest.approx(1.6))]


def test_a_transcript_was_written_before_the_next_line_with_a_time() -> None:
    lines = [emotion(1.0), utterance(0.8), {"type": "partial", "t": 0.9}, emotion(1.25)]
    assert transcript_delays(lines) == [(0.8, pytest.approx(0.45))]


def test_options_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["load", "--processes", "0"])
    assert stopped.value.code == 2
    assert "--processes is 0" in capsys.readouterr().err
