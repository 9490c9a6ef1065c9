"""Recording of a run, through its file of notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks.harness.matching import Result
from mmer.benchmarks.harness.trace import (
    REMEMBERED,
    Estimate,
    EventNotes,
    Recording,
    note_to,
    read_recording,
)
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
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
    speech = Contribution("joy", 1.0, 1.5, 0.1, PROBS) if final else None
    modalities = {"speech": speech, "text": None, "face": face}
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
    (Gap("audio", 0.0, 0.1, "overflow"), 1.95),
    (Gap("audio", 0.1, 0.2, "overflow"), 1.95),
    (Gap("audio", 0.5, 0.6, "overflow"), 1.96),
    (Gap("video", 0.5, 0.6, "overflow"), 1.96),
    (estimate(1.95), 2.05),
    (estimate(None, final=True), 2.06),
    (Health(2.0, {"video": 3}, {"audio": 0.02, "video": None}, 0.0), 2.07),
]


TIMES = [
    StageTime("voice", "AudioBlock", False, 1.02, 0.001, 0.0005, 0.0004),
    StageTime("fusion", "Tick", False, 2.5, 0.0, 0.002, 0.002),
]


def test_notes_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with path.open("w") as file:
        note = note_to(file)
        notes = EventNotes(note)
        note("models", {"words": None})
        note("stages", TIMES[0])
        for event, written in EVENTS:
            notes.add(event, written)
        note("stages", TIMES[1])
        file.write('{"frames": 7')  # killed in the middle of a line
    found = read_recording(path, Recording())
    assert found.models == {"words": None}
    assert found.estimates == [
        Estimate(2.05, 2.0, 0.5, 2.0, False, 1.95, "joy", 1),
        Estimate(2.06, 2.0, 0.5, 2.0, True, None, "joy", 1, (0.5, 1.5)),
    ]
    assert found.estimates[0].face_delay_s == pytest.approx(0.1)
    assert found.estimates[1].face_delay_s is None
    assert found.finals == [Result(0.5, 2.0, 2.06, 1)]
    assert found.transcripts == [Result(0.5, 1.5, 1.9, 1)]
    assert found.ends == [Result(0.5, 1.5, 1.82, 1)]
    assert found.frames == [1.9, 1.95]
    assert found.tracked == 1
    assert found.lost == [(0.0, 0.2), (0.5, 0.6)]
    assert found.health == [(2.0, {"audio": 0.02, "video": 0.0})]
    assert found.drops == {"video": 3}
    assert found.stages == TIMES


def test_the_newest_sound_is_behind_an_estimate() -> None:
    recording = Recording()
    notes = EventNotes(recording.put)
    voice = Contribution("joy", 0.5, 1.75, 0.1, PROBS)
    text = Contribution("joy", 0.5, 1.5, 0.1, PROBS)
    notes.add(Evidence("speech", 0.5, 1.75, np.log(PROBS), 1.0, False, 1), 2.0)
    notes.add(Evidence("text", 0.25, 1.5, np.log(PROBS), 1.0, False, 1), 2.0)
    for modalities, sound in (
        ({"speech": voice, "text": text, "face": None}, (0.5, 1.75)),
        ({"speech": None, "text": text, "face": None}, (0.25, 1.5)),
        ({"speech": None, "text": None, "face": None}, None),
    ):
        event = EmotionEstimate(2.0, (0.5, 1.75), "joy", PROBS, 0.2, modalities, {}, False, 1)
        notes.add(event, 2.1)
        assert recording.estimates[-1].sound == sound
        assert recording.estimates[-1].has_evidence is (sound is not None)


def test_sound_of_hours_is_not_remembered() -> None:
    notes = EventNotes(lambda name, value: None)
    for k in range(REMEMBERED + 50):
        notes.add(Evidence("speech", k, k + 1, np.log(PROBS), 1.0, True, k), k + 1.0)
    assert len(notes._began) == REMEMBERED
