"""``--people``: what it needs, what the lines carry, and that the default is as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_media import write_wav

import mmer
from mmer.models.errors import MmerError
from mmer.realtime.commands.live_command import run
from mmer.realtime.messages import EmotionEstimate, FaceObservation
from mmer.realtime.options import Options
from mmer.realtime.sinks.jsonl import line_for
from mmer.realtime.sinks.plain import PlainLines
from mmer.realtime.sinks.state import OverlayState


def estimate(t: float, person: int | None, label: str = "joy", **more: Any) -> EmotionEstimate:
    probs = np.full(7, 0.1, np.float32)
    none = dict.fromkeys(("speech", "text", "face"))
    why = dict.fromkeys(none, "silence")
    return EmotionEstimate(
        t, (t - 1, t), label, probs, 0.4, none, why, False, person=person, **more
    )


def face(t: float, track: int, x: float) -> FaceObservation:
    return FaceObservation(t, track, (x, 50.0, 80.0, 90.0), None, None, 0.9)


@pytest.mark.parametrize(
    "options",
    [
        {"video": "none"},
        {"modalities": ("speech", "text")},
        {"policy": "text-only"},
    ],
)
def test_people_without_video_is_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(MmerError, match="--people all needs video") as wrong:
        Options(people="all", **options)
    assert "\n" not in str(wrong.value)


def test_a_file_without_video_is_one_line(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.zeros((1, 16_000), np.int16))
    with pytest.raises(MmerError, match=r"--people speaking needs video, and a\.wav has none"):
        mmer.Recognizer(path, people="speaking", asr="none", pace="max").prepare()


def test_a_baseline_from_a_file_is_of_one_person() -> None:
    with pytest.raises(MmerError, match=r"me\.json: a file is of one person"):
        Options(people="all", baseline="me.json")
    assert Options(people="all", baseline="session").baseline == "session"


def test_an_unknown_choice_names_those_there_are() -> None:
    with pytest.raises(MmerError, match="'both' is unknown: use largest, speaking, all"):
        Options(people="both")


@pytest.mark.parametrize("option", ["--lsl", "--export=x.csv", "--osc=127.0.0.1:9"])
def test_outputs_that_would_mix_people_are_refused(option: str) -> None:
    with pytest.raises(MmerError, match="cannot tell people apart"):
        run(["--demo", "--people", "all", option])


def test_the_default_is_not_to_be_seen_in_the_lines() -> None:
    assert "people" not in Options().for_json()
    assert Options(people="all").for_json()["people"] == "all"
    line = line_for(estimate(1.0, None), None)
    assert line is not None
    assert "person" not in line
    line = line_for(estimate(1.0, 2), None)
    assert line is not None
    assert line["person"] == 2


def test_the_log_says_whose_label_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    sink = PlainLines(change_every_s=1.0)
    for t, person, label in [(1.0, 1, "joy"), (1.0, 2, "fear"), (2.5, 1, "joy"), (2.5, 2, "joy")]:
        sink.write(estimate(t, person, label), None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  (")[0].strip() for line in lines] == [
        "1.00  person 1: joy 0.40",
        "1.00  person 2: fear 0.40",
        "2.50  person 2: joy 0.40",
    ]


def test_the_overlay_has_a_box_and_a_label_for_each() -> None:
    state = OverlayState()
    for event in (face(1.0, 1, 20), face(1.0, 2, 400), estimate(1.0, 1), estimate(1.0, 2, "fear")):
        state.update(event, None)
    shown = [(f.person, f.label, f.box[0]) for f in state.visible_faces]
    assert shown == [(1, "joy", 20.0), (2, "fear", 400.0)]
    assert state.estimate is not None
    assert state.estimate.person == 1  # does not jump between people
    state.update(estimate(1.25, 2, "fear"), None)
    assert state.estimate.person == 1
    state.update(replace(estimate(1.5, 2, "anger", utterance=1), final=True), None)  # who speaks
    state.update(estimate(1.5, 2, "fear"), None)
    assert state.estimate is not None
    assert state.estimate.person == 2
    state.update(face(3.0, 2, 400), None)
    assert [f.person for f in state.visible_faces] == [2]  # the other one has left


def test_a_later_decision_is_of_the_same_person() -> None:
    assert estimate(1.0, 3).decided_at(2.0).person == 3
