"""What is remembered of a paced run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks.harness.matching import Result
from mmer.benchmarks.harness.realtime_run import Estimate, Notes, analysed_per_second, read
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Health,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
    Transcript,
)
from mmer.realtime.stage_times import StageTime

PROBS = np.full(7, 1 / 7, np.float32)


def estimate(face_t: float | None, final: bool = False) -> EmotionEstimate:
    face = None if face_t is None else Contribution("joy", 1.0, face_t, 0.1, PROBS)
    modalities = {"speech": None, "text": None, "face": face}
    return EmotionEstimate(2.0, (0.5, 2.0), "joy", PROBS, 1 / 7, modalities, {}, final, 1)


def update(state: SpeechState) -> SpeechUpdate:
    return SpeechUpdate(1, 0.5, 1.5, state, np.zeros(16000, np.int16), decided=1.82)


EVENTS: list[tuple[Message, float]] = [
    (FaceObservation(1.9, 1, None, None, None, 0.0, "no face"), 1.92),
    (Missing("face", 1.9, 1.9, "no face", False), 1.93),
    (Evidence("face", 1.95, 1.95, np.log(PROBS), 1.0, False), 1.97),
    (Evidence("speech", 0.5, 1.5, np.log(PROBS), 1.0, False, 1), 1.97),
    (update(SpeechState.ONGOING), 1.5),
    (update(SpeechState.ENDED), 1.83),
    (Transcript(1, 0.5, 1.5, "so", True, "test"), 1.4),
    (Transcript(1, 0.5, 1.5, "so what", False, "test"), 1.9),
    (estimate(1.95), 2.05),
    (estimate(None, final=True), 2.06),
    (Health(2.0, {"video": 3}, {"audio": 0.02, "video": None}, 0.0), 2.07),
]


TIMES = [
    StageTime("voice", "AudioBlock", False, 1.02, 0.001, 0.0005, 0.0004),
    StageTime("fusion", "Tick", False, 2.5, 0.0, 0.002, 0.002),
]


def test_notes_survive_the_file(tmp_path: Path) -> None:
    output, notes = tmp_path / "out.jsonl", tmp_path / "notes"
    output.write_text(json.dumps({"type": "session", "models": {"words": None}}) + "\n")
    with notes.open("w") as file:
        noted = Notes(file)
        noted.hear(TIMES[0])
        for event, written in EVENTS:
            noted.add(event, written)
        noted.hear(TIMES[1])
        noted.drain()
    found = read(output, notes)
    assert found.session["models"] == {"words": None}
    assert found.estimates == [
        Estimate(2.05, 2.0, 0.5, 2.0, False, 1.95, "joy", 1),
        Estimate(2.06, 2.0, 0.5, 2.0, True, None, "joy", 1),
    ]
    assert found.estimates[0].face_delay_s == pytest.approx(0.1)
    assert found.estimates[1].face_delay_s is None
    assert found.finals == [Result(0.5, 2.0, 2.06, 1)]
    assert found.transcripts == [Result(0.5, 1.5, 1.9, 1)]
    assert found.ends == [Result(0.5, 1.5, 1.82, 1)]
    assert found.faces == [1.9, 1.95]
    assert found.tracked == 1
    assert analysed_per_second(found, 0.1) == pytest.approx(20)
    assert found.health == [(2.0, {"audio": 0.02, "video": 0.0})]
    assert found.drops == {"video": 3}
    assert found.stages == TIMES
