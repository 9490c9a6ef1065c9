"""Accuracy against time: answers at moments, gold words, the fusion run anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from moonshine_files import moonshine_files

from mmer.benchmarks import cli
from mmer.benchmarks.accuracy.curve import Curves, draw
from mmer.benchmarks.accuracy.curve_clips import Recorder, at, at_end
from mmer.benchmarks.accuracy.moments import MOMENTS, Answers, Line, Panel
from mmer.models.cards.card import weights_dir
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import EmotionEstimate, SpeechState, SpeechUpdate, Transcript
from mmer.training.datasets.item import Item
from mmer.training.evaluation.whole_clip import GoldWords, timed

needs_weights = pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)


def sure_of(label: int) -> np.ndarray:
    return np.log(np.where(np.arange(len(EMOTIONS)) == label, 0.94, 0.01))


def panel(answered: bool = True) -> Panel:
    answers = Answers([Item("ravdess", str(k), label) for k, label in enumerate([0, 0, 3, 4])])
    for row, right in enumerate([True, True, True, False]):
        for t in MOMENTS:
            said = sure_of([0, 0, 3, 4][row] if right else 1)
            early = t == MOMENTS[0] and not answered
            answers.put("voice", row, t, None if early else said, speaking=t == 0.5)
    return Panel("voice", "voice", "somebody; time", (Line("voice", "V", answers.points("voice")),))


def test_figures_of_answers() -> None:
    first, *_, last = panel().lines[0].points
    assert (first.t_s, last.t_s) == (0.5, None)
    assert (first.n, first.answered, first.speaking, last.speaking) == (4, 4, 4, 0)
    assert first.accuracy == 0.75
    assert first.unweighted_recall == pytest.approx(2 / 3)
    assert first.floor_accuracy == 0.5
    low, high = first.interval["accuracy"]
    assert low <= 0.75 <= high


def test_no_answer_is_a_wrong_one() -> None:
    first, second, *_ = panel(answered=False).lines[0].points
    assert (first.answered, first.accuracy, first.unweighted_recall) == (0, 0.0, 0.0)
    assert second.accuracy == 0.75


def test_report_says_what_is_missing_and_how_many_answered(tmp_path: Path) -> None:
    machine = {"commit": "abc", "date": "today"}
    curves = Curves(machine, {}, [panel(answered=False)], {"words": "no MELD"})
    text = curves.to_markdown("curve.png")
    assert "**66.7**" in text
    assert "0% answered" in text
    assert "**words** is left out: no MELD" in text
    points = json.loads(curves.to_json())["panels"][0]["lines"][0]["points"]
    assert [p["t_s"] for p in points] == [0.5, 1.0, 2.0, None]
    draw(curves.panels, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"


def update(t1: float, state: SpeechState = SpeechState.ONGOING) -> SpeechUpdate:
    return SpeechUpdate(1, 1.0, t1, state, np.zeros(round((t1 - 1) * 16_000), np.int16), t1)


def texts(said: list[Transcript]) -> list[tuple[str, bool]]:
    return [(t.text, t.partial) for t in said]


def test_gold_words_come_when_they_have_been_said() -> None:
    words = timed("ab cd", 1.0, 3.0)
    assert [(w.text, w.t0, w.t1) for w in words] == [("ab", 1.0, 2.0), ("cd", 2.0, 3.0)]
    gold = GoldWords(words)
    assert texts([*gold.push(update(1.9))]) == []
    assert texts([*gold.push(update(2.0))]) == [("ab", True)]
    assert texts([*gold.push(update(2.2))]) == []
    # cut off a little early, the last word counts all the same
    assert texts([*gold.push(update(2.8, SpeechState.ENDED))]) == [("ab cd", False)]


def test_gold_final_comes_without_words_too() -> None:
    gold = GoldWords(timed("late", 5.0, 6.0))
    assert texts([*gold.push(update(2.0, SpeechState.ENDED))]) == [("", False)]


def estimate(
    t: float, final: bool = False, window: tuple[float, float] = (0, 1)
) -> EmotionEstimate:
    probs = np.exp(sure_of(3)).astype(np.float32)
    none = dict.fromkeys(MODALITIES)
    return EmotionEstimate(t, window, "joy", probs, 0.94, none, {}, final)


def test_the_answer_at_a_moment_is_the_newest_that_was_out() -> None:
    said = [estimate(0.5), estimate(1.0), estimate(1.2, final=True), estimate(1.5)]
    assert at(said, 0.4) is None
    assert at(said, 1.4) is said[1]
    assert at_end(said) is said[2]
    longer = estimate(3.0, final=True, window=(1, 3))
    assert at_end([*said, longer]) is longer


@needs_weights
@pytest.mark.slow
def test_fusing_anew_gives_what_the_recognizer_gave(short_clip: Path) -> None:
    moonshine_files()
    recorder = Recorder(None, "moonshine", hop_s=0.25)
    recording = recorder.record(short_clip)
    events = recording.events
    again = recorder.fuse(events, MODALITIES)
    assert len(again) == len(recording.live) > 20
    for ours, live in zip(again, recording.live, strict=True):
        assert (ours.window, ours.label, ours.final) == (live.window, live.label, live.final)
        assert ours.confidence == live.confidence
    voice = recorder.fuse(events, ("speech",))
    assert all(e.modalities["face"] is None and e.modalities["text"] is None for e in voice)
    assert any(e.modalities["speech"] is not None for e in voice)
    gold = recorder.fuse(events, MODALITIES, GoldWords(timed("what a wonderful day", 0.0, 5.0)))
    assert any(e.modalities["text"] is not None for e in gold)


@needs_weights
@pytest.mark.slow
def test_the_command_measures_what_is_there(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["curve", "--data", str(corpora), "--output", str(tmp_path)])
    assert "gold words" in capsys.readouterr().out
    found = json.loads((tmp_path / "curve.json").read_text())
    assert [panel["key"] for panel in found["panels"]] == ["voice", "words"]
    assert found["skipped"] == {
        "voice, words and face": "DATA/video/ravdess_actor01_frames is not there"
    }
    voice = found["panels"][0]["lines"][0]["points"]
    assert [p["n"] for p in voice] == [14] * 4
    assert [p["speaking"] for p in voice] == [14, 0, 0, 0]  # each clip lasts a second
    texts = (tmp_path / "curve.md").read_text() + (tmp_path / "curve.json").read_text()
    assert str(tmp_path) not in texts
    assert (tmp_path / "curve.png").exists()


def test_nothing_to_measure_on_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["curve", "--data", str(tmp_path), "--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert "DATA/audio/ravdess is not there" in capsys.readouterr().err
