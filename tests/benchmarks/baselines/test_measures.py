"""Delays, losses and the side-by-side table, from runs made up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks.baselines.measures import (
    WHAT,
    Program,
    end_delays_s,
    heard_whole,
    lost_speech_s,
    onset_delays_s,
    rows_of,
    shown_ms,
)
from mmer.benchmarks.baselines.plot import draw
from mmer.benchmarks.baselines.run import side_by_side
from mmer.benchmarks.harness.clip import AnnotatedClip, Span
from mmer.benchmarks.harness.process import Watched
from mmer.benchmarks.harness.trace import Answer, Notes, Trace
from mmer.realtime.messages import Contribution, EmotionEstimate, Evidence, Gap, Missing

SPANS = (Span(16000, 32000, "first"), Span(64000, 80000, "second"))  # 1..2 s and 4..5 s
CLIP = AnnotatedClip(Path("clip.mkv"), 6, SPANS)
PROBS = np.full(7, 1 / 7, np.float32)


def loop_trace() -> Trace:
    """Recorded 0..3 s and 3.5..5.5 s; answers at every frame, every second."""
    first, second = (0.0, 3.0), (3.5, 5.5)
    answers = [
        Answer(1.0, 0.9, None),
        Answer(3.4, 2.4, first),
        Answer(3.6, 3.5, first),
        Answer(5.9, 5.0, second),
        Answer(6.0, None, second),
    ]
    return Trace(answers, [0.9, 2.4, 3.5, 5.0, 5.0], [(3.0, 3.5)])


def test_from_onset_and_end_of_a_loop() -> None:
    answers = loop_trace().answers
    assert onset_delays_s(answers, SPANS) == (pytest.approx([2.4, 1.9]), 0)
    assert end_delays_s(answers, SPANS, named=False) == (pytest.approx([1.4, 0.9]), 0)


def test_a_sentence_in_two_recordings_counts_from_the_second() -> None:
    answers = [Answer(2.0, None, (0.0, 1.5)), Answer(3.5, None, (1.5, 3.0))]
    assert onset_delays_s(answers, SPANS[:1]) == (pytest.approx([1.0]), 0)
    assert end_delays_s(answers, SPANS[:1], named=False) == (pytest.approx([1.5]), 0)
    assert heard_whole(answers, SPANS) == 0


def test_what_was_never_heard_is_a_miss() -> None:
    answers = [Answer(3.5, 3.0, (2.0, 3.0))]
    assert onset_delays_s(answers, SPANS) == ([], 2)
    assert end_delays_s(answers, SPANS, named=False) == ([], 2)


def test_an_answer_before_the_end_is_none() -> None:
    answers = [Answer(1.8, None, (0.0, 1.5))]
    assert end_delays_s(answers, SPANS[:1], named=False) == ([], 1)


def test_the_sessions_finals_are_matched() -> None:
    answers = [
        Answer(1.6, 1.5, (0.9, 1.5)),
        Answer(2.4, 2.3, (0.9, 2.0), utterance=(0.9, 2.0)),
        Answer(4.9, 4.8, (3.9, 4.8)),
    ]
    assert end_delays_s(answers, SPANS, named=True) == (pytest.approx([0.4]), 1)


def test_whole_sentences_and_lost_speech() -> None:
    assert heard_whole(loop_trace().answers, SPANS) == 2
    assert heard_whole([Answer(3, None, (1.05, 1.95))], SPANS) == 1
    assert lost_speech_s([(3.0, 4.25)], SPANS) == pytest.approx(0.25)


def test_the_picture_behind_the_answer_ages_until_the_next() -> None:
    ages = shown_ms([Answer(1.0, 0.9, None), Answer(2.0, 1.5, None), Answer(2.1, None, None)], 3)
    assert len(ages) == 20
    assert ages[:2] == pytest.approx([100, 200])
    assert ages[10] == pytest.approx(500)
    assert ages[-1] == pytest.approx(1400)
    assert shown_ms([], 3) == []


def program(name: str, named: bool = False) -> Program:
    watched = Watched(8.0, 2.0, 5.0, 100.0, ready_cpu_s=2.0)
    return Program(name, name.title(), loop_trace(), watched, named)


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
    assert "| sentences heard in one piece | 2 of 2 | 2 of 2 |" in table.to_markdown()


def test_misses_are_never_in_the_samples() -> None:
    rows = {row.key: row for row in rows_of(program("loop", named=True), CLIP)}
    row = rows["end_ms.loop"]  # no answer names an utterance
    assert row.measured == "p50 never, p95 never, max never ms; 2 of 2 never"
    assert row.samples == {"end_ms": [math.inf, math.inf]}


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw([program("loop"), program("other")], CLIP, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_trace_survives_its_file(tmp_path: Path) -> None:
    trace = loop_trace()
    trace.models, trace.provider = {"words": None}, {"face": "cpu"}
    trace.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == trace


def test_the_sessions_events_become_answers() -> None:
    notes = Notes()
    opinion = np.log(PROBS)
    face = Contribution("joy", 0.5, 1.9, 0.1, PROBS)
    voice = Contribution("joy", 0.5, 1.75, 0.1, PROBS)

    def estimate(modalities: dict[str, Contribution | None], final: bool) -> EmotionEstimate:
        return EmotionEstimate(2.0, (0.5, 1.75), "joy", PROBS, 0.2, modalities, {}, final, 1)

    for event in (
        Evidence("speech", 0.5, 1.75, opinion, 1.0, False, 1),
        Evidence("face", 1.9, 1.9, opinion, 1.0, True),
        Missing("face", 1.95, 1.95, "no face", True),
        Gap("audio", 0.0, 0.1, "overflow"),
        estimate({"speech": None, "text": None, "face": face}, False),
        estimate({"speech": voice, "text": None, "face": face}, True),
        estimate({"speech": None, "text": None, "face": None}, False),
    ):
        notes.take(event, 2.1)
    assert notes.trace.frames == [1.9, 1.95]
    assert notes.trace.lost == [(0.0, 0.1)]
    assert notes.trace.answers == [
        Answer(2.1, 1.9, None),
        Answer(2.1, 1.9, (0.5, 1.75), (0.5, 1.75)),
    ]
