"""Play a clip at the world's pace through the live session, and note when each line was written.

Runs in a process of its own (``python -m mmer.benchmarks.harness.realtime_run``), so that nothing
of the benchmark counts as the recognizer's memory or holds its interpreter. The loop is that of
`mmer-live`: the same session, the same JSON lines to a file; each note is made after its line was
written.
"""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mmer.benchmarks.harness.matching import Result
from mmer.models.errors import MmerError
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import (
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Health,
    Message,
    Missing,
    SessionEnd,
    SpeechState,
    SpeechUpdate,
    Transcript,
)
from mmer.realtime.own_process import one_opencv_thread
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.stage_times import StageTime


@dataclass(frozen=True)
class Estimate:
    """One emotion line: when it was decided and written, and what it said by which evidence."""

    written: float
    t: float  # decided
    t0: float
    t1: float
    final: bool
    face_t: float | None  # capture time of the newest video frame that it used
    label: str | None
    utterance: int | None

    @property
    def face_delay_s(self) -> float | None:
        """Written minus captured; None where no video frame was used."""
        return None if self.face_t is None else self.written - self.face_t


@dataclass
class Recording:
    """What happened in a paced run; times in seconds on the session's clock."""

    session: Mapping[str, Any]  # the session's line
    estimates: list[Estimate] = field(default_factory=list)
    transcripts: list[Result] = field(default_factory=list)  # final ones
    ends: list[Result] = field(default_factory=list)  # of utterances; written: when decided
    faces: list[float] = field(default_factory=list)  # capture times of analysed frames
    tracked: int = 0  # frames in which a face was looked for
    health: list[tuple[float, dict[str, float]]] = field(default_factory=list)  # t, queue ages
    drops: dict[str, int] = field(default_factory=dict)
    stages: list[StageTime] = field(default_factory=list)

    @property
    def finals(self) -> list[Result]:
        """The final labels."""
        return [Result(e.t0, e.t1, e.written, e.utterance) for e in self.estimates if e.final]


def note(event: Message, written: float) -> list[Any] | None:
    """What to remember of an event: a kind and numbers; None for an event of no concern."""
    if isinstance(event, EmotionEstimate):
        face = event.modalities.get("face")
        face_t = None if face is None else face.t
        about = [event.final, face_t, event.label, event.utterance]
        return ["emotion", written, event.t, *event.window, *about]
    if isinstance(event, Evidence | Missing):
        return ["face", event.t1] if event.modality == "face" else None
    if isinstance(event, FaceObservation):
        return ["tracked"]
    if isinstance(event, Transcript):
        return (
            None if event.partial else ["transcript", event.t0, event.t1, written, event.utterance]
        )
    if isinstance(event, SpeechUpdate):
        ended = event.state is SpeechState.ENDED
        return ["ended", event.t0, event.t1, event.decided, event.utterance] if ended else None
    if isinstance(event, Health):
        return ["health", event.t, dict(event.queue), dict(event.drops)]
    return None


class Notes:
    """The file of notes: of events as they are written, of the stages' times once a second."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._times: deque[StageTime] = deque()
        self.hear = self._times.append
        """The session's listener: called in its threads, so it only remembers."""

    def add(self, event: Message, written: float) -> None:
        """Note an event, if it is of concern."""
        noted = note(event, written)
        if noted is not None:
            self._file.write(json.dumps(noted) + "\n")
        if isinstance(event, Health):
            self.drain()

    def drain(self) -> None:
        """Write the stages' times that have been heard since."""
        for _ in range(len(self._times)):
            t = self._times.popleft()
            times = [round(s, 6) for s in (t.at, t.wait_s, t.work_s, t.cpu_s)]
            self._file.write(json.dumps(["stage", t.stage, t.kind, t.partial, *times]) + "\n")


def record(options: Mapping[str, Any], output: Path, notes: Path) -> None:
    """Run a recognizer with ``options`` to the end of its source; write its lines and the notes."""
    recognizer = Recognizer(**options)
    clock = recognizer.clock
    assert clock is not None  # the pace is real
    sink = JsonLines(str(output))
    emotions = utterances = 0
    with recognizer, notes.open("w", encoding="utf-8") as file:
        noted = Notes(file)
        events = recognizer.events(delivery=Delivery.LOSSLESS, stage_times=noted.hear)
        sink.open(recognizer.info)
        for event in events:
            sink.write(event, clock.now())
            noted.add(event, clock.now())
            emotions += isinstance(event, EmotionEstimate)
            utterances += isinstance(event, Transcript) and not event.partial
        noted.drain()
        sink.close(SessionEnd(clock.now(), utterances, emotions, recognizer.drops))


def read(output: Path, notes: Path) -> Recording:
    """What ``record`` wrote."""
    with output.open(encoding="utf-8") as lines:
        recording = Recording(json.loads(next(lines)))
    with notes.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):  # else the process was killed in the middle of it
                _add(recording, json.loads(line))
    return recording


def _add(recording: Recording, noted: list[Any]) -> None:
    kind, *rest = noted
    if kind == "emotion":
        recording.estimates.append(Estimate(*rest))
    elif kind == "face":
        recording.faces.append(*rest)
    elif kind == "tracked":
        recording.tracked += 1
    elif kind == "transcript":
        recording.transcripts.append(Result(*rest))
    elif kind == "ended":
        recording.ends.append(Result(*rest))
    elif kind == "stage":
        recording.stages.append(StageTime(*rest))
    elif kind == "health":
        t, queue, drops = rest
        recording.health.append((t, {k: 0.0 if a is None else a for k, a in queue.items()}))
        recording.drops = drops


def analysed_per_second(recording: Recording, seconds: float) -> float:
    """Video frames that the face network judged (or found no face in), a second of the clip."""
    return len(recording.faces) / seconds if seconds else math.nan


def main() -> None:
    """Run as ``python -m ... OPTIONS OUTPUT NOTES``, the options as JSON."""
    options, output, notes = sys.argv[1:]
    one_opencv_thread()  # as mmer-live does
    try:
        record(json.loads(options), Path(output), Path(notes))
    except MmerError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
