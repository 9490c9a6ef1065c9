"""The play loop: the lines of a session, and the notes beside them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmer.benchmarks.harness.play import record_session, write_events
from mmer.benchmarks.harness.trace import Recording, note_to, read_recording
from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import EmotionEstimate, Health, Message, SessionEnd, Transcript
from mmer.realtime.sinks.sink import SessionInfo
from mmer.realtime.stage_times import StageTime

INFO = SessionInfo(None, {"kind": "file"}, {"words": "none", "face": None}, {"face": "cpu"}, {})
PROBS = np.full(7, 1 / 7, np.float32)


def stage(at: float) -> StageTime:
    return StageTime("fusion", "Tick", False, at, 0.0, 0.001, 0.001)


def test_lines_and_notes_of_a_session(tmp_path: Path) -> None:
    times = deque([stage(0.1)])

    def events() -> Iterator[Message]:
        yield Transcript(1, 0.0, 0.5, "so", True, "test")
        yield Health(1.0, {"video": 1}, {"audio": None}, 0.0)
        assert not times  # noted once a second
        times.append(stage(1.1))
        yield Transcript(1, 0.0, 1.0, "so what", False, "test")
        modalities = {"speech": None, "text": None, "face": None}
        yield EmotionEstimate(1.5, (0.0, 1.0), None, None, None, modalities, {}, True, 1)
        yield SessionEnd(2.0, 1, 1, {"video": 2})

    output, notes = tmp_path / "lines.jsonl", tmp_path / "notes"
    with notes.open("w") as file:
        write_events(events(), INFO, SessionClock(), output, note_to(file), times)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["type"] for line in lines] == [
        "session", "partial", "health", "utterance", "emotion", "end",
    ]  # fmt: skip
    assert (lines[-1]["utterances"], lines[-1]["emotions"]) == (1, 1)
    assert lines[-1]["drops"] == {"video": 2}
    found = read_recording(notes, Recording())
    assert (found.models, found.provider) == (INFO.models, INFO.provider)
    assert [time.at for time in found.stages] == [0.1, 1.1]
    assert [final.utterance for final in found.finals] == [1]
    assert found.finals[0].written <= lines[-1]["t"] + 0.001
    assert found.drops == {"video": 2}


def test_a_session_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    options = {"source": str(tmp_path / "nowhere.mkv"), "asr": "none", "offline": True}
    with pytest.raises(MmerError, match="session: no such file"):
        record_session(options)
