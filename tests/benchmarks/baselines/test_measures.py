"""Delays, losses and the side-by-side table, from runs made up."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mmer.benchmarks.baselines.command import draw, side_by_side
from mmer.benchmarks.baselines.measures import (
    WHAT,
    Program,
    end_delays_s,
    lost_speech_s,
    onset_delays_s,
    rows_of,
    shown_ms,
    whole_sentences,
)
from mmer.benchmarks.harness.clip import AnnotatedClip, Span
from mmer.benchmarks.harness.process import Watched
from mmer.benchmarks.harness.trace import Estimate, Recording, Seconds

SPANS = (Span(16000, 32000, "first"), Span(64000, 80000, "second"))  # 1..2 s and 4..5 s
CLIP = AnnotatedClip(Path("clip.mkv"), 6, SPANS)


def answer(
    written: float, face_t: float | None, sound: Seconds | None, utterance: Seconds | None = None
) -> Estimate:
    t0, t1 = utterance or (0.0, written)
    return Estimate(written, written, t0, t1, utterance is not None, face_t, "joy", None, sound)


def loop_recording() -> Recording:
    """Recorded 0..3 s and 3.5..5.5 s; answers at every frame, every second."""
    first, second = (0.0, 3.0), (3.5, 5.5)
    answers = [
        answer(1.0, 0.9, None),
        answer(3.4, 2.4, first),
        answer(3.6, 3.5, first),
        answer(5.9, 5.0, second),
        answer(6.0, None, second),
    ]
    return Recording(estimates=answers, frames=[0.9, 2.4, 3.5, 5.0, 5.0], lost=[(3.0, 3.5)])


def test_from_onset_and_end_of_a_loop() -> None:
    answers = loop_recording().estimates
    assert onset_delays_s(answers, SPANS) == (pytest.approx([2.4, 1.9]), 0)
    assert end_delays_s(answers, SPANS, named=False) == (pytest.approx([1.4, 0.9]), 0)


def test_a_sentence_in_two_recordings_counts_from_the_second() -> None:
    answers = [answer(2.0, None, (0.0, 1.5)), answer(3.5, None, (1.5, 3.0))]
    assert onset_delays_s(answers, SPANS[:1]) == (pytest.approx([1.0]), 0)
    assert end_delays_s(answers, SPANS[:1], named=False) == (pytest.approx([1.5]), 0)
    assert whole_sentences(answers, SPANS) == 0


def test_what_was_never_heard_is_a_miss() -> None:
    answers = [answer(3.5, 3.0, (2.0, 3.0))]
    assert onset_delays_s(answers, SPANS) == ([], 2)
    assert end_delays_s(answers, SPANS, named=False) == ([], 2)


def test_an_answer_before_the_end_is_none() -> None:
    answers = [answer(1.8, None, (0.0, 1.5))]
    assert end_delays_s(answers, SPANS[:1], named=False) == ([], 1)


def test_the_sessions_finals_are_matched() -> None:
    answers = [
        answer(1.6, 1.5, (0.9, 1.5)),
        answer(2.4, 2.3, (0.9, 2.0), utterance=(0.9, 2.0)),
        answer(4.9, 4.8, (3.9, 4.8)),
    ]
    assert end_delays_s(answers, SPANS, named=True) == (pytest.approx([0.4]), 1)


def test_whole_sentences_and_lost_speech() -> None:
    assert whole_sentences(loop_recording().estimates, SPANS) == 2
    assert whole_sentences([answer(3, None, (1.05, 1.95))], SPANS) == 1
    assert lost_speech_s([(3.0, 4.25)], SPANS) == pytest.approx(0.25)


def test_the_picture_behind_the_answer_ages_until_the_next() -> None:
    ages = shown_ms([answer(1.0, 0.9, None), answer(2.0, 1.5, None), answer(2.1, None, None)], 3)
    assert len(ages) == 20
    assert ages[:2] == pytest.approx([100, 200])
    assert ages[10] == pytest.approx(500)
    assert ages[-1] == pytest.approx(1400)
    assert shown_ms([], 3) == []


def program(name: str, named: bool = False) -> Program:
    watched = Watched(8.0, 2.0, 5.0, 100.0, ready_cpu_s=2.0)
    return Program(name, name.title(), loop_recording(), watched, named)


def test_rows_and_the_table() -> None:
    programs = [program("loop"), program("other")]
    rows = [rows_of(p, CLIP) for p in programs]
    by_key = {row.key: row for row in rows[0]}
    assert list(by_key) == [f"{key}.loop" for key in WHAT]
    assert by_key["age_ms.loop"].values["p50"] == pytest.approx(100)
    assert by_key["age_ms.loop"].values["max"] == pytest.approx(1000)
    assert by_key["frames_per_s.loop"].values["frames_per_s"] == pytest.approx(4 / 6)
    assert by_key["lost_s.loop"].measured == "0.5 s, 0 % of the speech"
    assert by_key["cpu_s_per_s.loop"].values["cpu_s_per_s"] == pytest.approx(0.5)
    table = side_by_side(programs, rows)
    assert table.headings == ["", "Loop", "Other"]
    assert [line[0] for line in table.lines] == list(WHAT.values())
    assert "| sentences in one piece | 2 of 2 | 2 of 2 |" in table.to_markdown()


def test_misses_are_never_in_the_samples() -> None:
    rows = {row.key: row for row in rows_of(program("loop", named=True), CLIP)}
    row = rows["end_ms.loop"]  # no answer names an utterance
    assert row.measured == "p50 never, p95 never, max never ms; 2 of 2 never"
    assert row.samples == {"end_ms": [math.inf, math.inf]}


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw([program("loop"), program("other")], CLIP, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
