"""The hangover: shorter ones wait less, and cut at pauses within a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.hangover import Hangover, ends, row
from mmer.benchmarks.harness.clip import Span, mix
from mmer.benchmarks.harness.matching import Matching, match
from mmer.benchmarks.harness.utterances import Utterance, demo_utterances
from mmer.models.errors import MmerError

PAUSE_S = 0.25


def halting() -> tuple[list[Span], np.ndarray]:
    """Two sentences of the demo, each with a pause of a quarter of a second put in the middle."""
    broken = []
    for whole in demo_utterances()[:2]:
        half = len(whole.samples) // 2
        gap = np.zeros(round(PAUSE_S * 16000), np.int16)
        samples = np.concatenate([whole.samples[:half], gap, whole.samples[half:]])
        broken.append(Utterance(whole.name, samples))
    spans, at = [], 24000
    for utterance in broken:
        spans.append(Span(at, at + len(utterance.samples), utterance.name))
        at = spans[-1].end + 24000
    return spans, mix(spans, broken, at // 16000 + 1, -60.0)


def heard(hangover_s: float) -> Matching:
    spans, sound = halting()
    return match(spans, ends(sound, hangover_s))


def test_a_pause_longer_than_the_hangover_splits_a_sentence() -> None:
    assert heard(0.4).counts()["matched"] == 2
    assert heard(0.16).counts()["matched"] == 0
    assert heard(0.16).counts()["split"] == 2


def test_what_is_waited_is_the_hangover_and_little_more() -> None:
    waits = row(heard(0.4), 0.4, -60.0)
    assert waits.values["waiting_p50"] == pytest.approx(400, abs=40)
    assert waits.measured.startswith("100.0% in one piece")
    none = row(heard(0.16), 0.16, -60.0)
    assert none.measured == "0.0% in one piece; waiting p50 none, p95 none ms"
    assert "2 split" in none.note


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    cli.main(["hangover", "--json", str(found)])
    rows = json.loads(found.read_text())["rows"]
    assert len(rows) == 14
    assert [r["what"] for r in rows if "default" in r["what"]] == [
        "adaptive wait (default), noise -60 dBFS",
        "adaptive wait (default), noise -45 dBFS",
    ]
    assert [r["passed"] for r in rows if r["target"]] == [True, True]
    with pytest.raises(MmerError, match="--count"):
        Hangover(count=0).check()
