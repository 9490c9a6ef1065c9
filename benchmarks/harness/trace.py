"""Recording of a run: when each result was decided and written, and the evidence behind it.

The program under test notes one value at a time under the name of a field (`Note`); in a file a
note is a line of JSON, so that a process that is killed loses its last line at most.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, TypeVar

from mmer.benchmarks.harness.matching import Result
from mmer.realtime.messages import (
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

Seconds: TypeAlias = tuple[float, float]
"""A stretch of time: begin and end."""
Note: TypeAlias = Callable[[str, Any], None]
"""Function of the name of a field of `Recording` and a value for it."""
REMEMBERED: Final = 200
"""Pieces of evidence whose sound is remembered: two minutes of it, so that a soak, which measures
from then on, does not measure them."""
R = TypeVar("R", bound="Recording")


@dataclass(frozen=True)
class Estimate:
    """One label that was written, or the absence of one; seconds on the program's clock."""

    written: float
    t: float  # decided
    t0: float  # the window
    t1: float
    final: bool
    face_t: float | None  # capture time of the newest video frame behind it
    label: str | None
    utterance: int | None
    sound: Seconds | None = None  # the newest sound behind it, by speech or transcript
    provisional: bool = False  # of an utterance that may have ended

    @property
    def of_utterance(self) -> bool:
        """Whether it is of a whole utterance, not of the window up to now."""
        return self.final or self.provisional

    @property
    def face_delay_s(self) -> float | None:
        """Written minus captured; None where no video frame was used."""
        return None if self.face_t is None else self.written - self.face_t

    @property
    def has_evidence(self) -> bool:
        """Whether any modality contributed."""
        return self.face_t is not None or self.sound is not None


@dataclass
class Recording:
    """Events of a run; times in seconds on the program's clock."""

    models: Mapping[str, Any] = field(default_factory=dict)  # by part
    provider: Mapping[str, str] = field(default_factory=dict)  # by encoder
    estimates: list[Estimate] = field(default_factory=list)
    transcripts: list[Result] = field(default_factory=list)  # final ones
    ends: list[Result] = field(default_factory=list)  # of utterances; written: when decided
    frames: list[float] = field(default_factory=list)  # capture times of those analysed
    tracked: int = 0  # frames in which a face was searched
    lost: list[Seconds] = field(default_factory=list)  # sound that was never recorded
    health: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """Once a second: the time, and the age of the oldest message by mailbox."""
    drops: dict[str, int] = field(default_factory=dict)  # by mailbox
    stages: list[StageTime] = field(default_factory=list)

    @property
    def finals(self) -> list[Result]:
        """The final labels."""
        return [Result(e.t0, e.t1, e.written, e.utterance) for e in self.estimates if e.final]

    def put(self, name: str, value: Any) -> None:
        """Note ``value`` in the field ``name``: lists are appended to, counts added to."""
        if isinstance(value, Mapping) and name in _ROWS:
            value = _ROWS[name](**value)
        elif isinstance(value, list):
            value = tuple(value)
        before = getattr(self, name)
        if name == "lost" and before and value[0] - before[-1][1] < 1e-3:
            before[-1] = (before[-1][0], value[1])  # what follows at once makes one stretch
        elif isinstance(before, list):
            before.append(value)
        else:
            setattr(self, name, before + value if name == "tracked" else value)


def _estimate(sound: list[float] | None, **others: Any) -> Estimate:
    return Estimate(**others, sound=None if sound is None else (sound[0], sound[1]))


_ROWS: Final[Mapping[str, Callable[..., Any]]] = {
    "estimates": _estimate, "transcripts": Result, "ends": Result, "stages": StageTime,
}  # fmt: skip


def note_to(file: IO[str]) -> Note:
    """Notes into a file, a line each."""

    def note(name: str, value: Any) -> None:
        file.write(json.dumps({name: value}, default=vars) + "\n")

    return note


def read_recording(path: Path, recording: R) -> R:
    """Add what was noted in the file ``path`` to ``recording``."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):  # else the process was killed in the middle of it
                for name, value in json.loads(line).items():
                    recording.put(name, value)
    return recording


class EventNotes:
    """Notes of a session's events, each with the time at which its line had been written."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._began: dict[tuple[str, float], float] = {}  # by modality and end of the sound

    def add(self, event: Message, written: float) -> None:
        """Note an event, if it is of concern."""
        if isinstance(event, EmotionEstimate):
            self._note("estimates", self._estimate(event, written))
        elif isinstance(event, Evidence | Missing) and event.modality == "face":
            self._note("frames", event.t1)
        elif isinstance(event, Evidence):
            self._began[event.modality, event.t1] = event.t0
            if len(self._began) > REMEMBERED:
                del self._began[next(iter(self._began))]
        elif isinstance(event, FaceObservation):
            self._note("tracked", 1)
        elif isinstance(event, Gap) and event.stream == "audio":
            self._note("lost", (event.t0, event.t1))
        elif isinstance(event, Transcript) and not event.partial:
            self._note("transcripts", Result(event.t0, event.t1, written, event.utterance))
        elif isinstance(event, SpeechUpdate) and event.state is SpeechState.ENDED:
            self._note("ends", Result(event.t0, event.t1, event.decided, event.utterance))
        elif isinstance(event, Health):
            ages = {name: 0.0 if age is None else age for name, age in event.queue.items()}
            self._note("health", (event.t, ages))
            self._note("drops", dict(event.drops))

    def _estimate(self, event: EmotionEstimate, written: float) -> Estimate:
        face = event.modalities.get("face")
        spans = [
            (self._began.get((name, contribution.t), contribution.t), contribution.t)
            for name in ("speech", "text")
            if (contribution := event.modalities.get(name)) is not None
        ]
        return Estimate(
            written=written,
            t=event.t,
            t0=event.window[0],
            t1=event.window[1],
            final=event.final,
            provisional=event.provisional,
            face_t=None if face is None else face.t,
            label=event.label,
            utterance=event.utterance,
            sound=max(spans, key=lambda span: span[1], default=None),
        )
