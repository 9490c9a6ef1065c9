"""What a program under test did, told alike for the live session and for whatever else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mmer.realtime.messages import EmotionEstimate, Evidence, Gap, Message, Missing

Seconds: TypeAlias = tuple[float, float]
"""A stretch of time: begin and end."""


@dataclass(frozen=True)
class Answer:
    """One label that was written; times in seconds on the program's clock."""

    written: float
    frame: float | None  # capture time of the newest video frame behind it
    sound: Seconds | None  # the newest sound behind it, voice or words
    utterance: Seconds | None = None  # what it is the last word on, where the program says so


@dataclass
class Trace:
    """A whole run."""

    answers: list[Answer] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)  # capture times of those looked at
    lost: list[Seconds] = field(default_factory=list)  # sound that was never recorded
    models: Mapping[str, str | None] = field(default_factory=dict)
    provider: Mapping[str, str] = field(default_factory=dict)

    def lose(self, t0: float, t1: float) -> None:
        """Note sound that nobody recorded; what follows at once makes one stretch."""
        if self.lost and t0 - self.lost[-1][1] < 1e-3:
            t0 = self.lost.pop()[0]
        self.lost.append((t0, t1))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Trace:
        """What ``save`` wrote."""
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        answers = [
            Answer(a["written"], a["frame"], _pair(a["sound"]), _pair(a["utterance"]))
            for a in table.pop("answers")
        ]
        lost = [(t0, t1) for t0, t1 in table.pop("lost")]
        return cls(answers, lost=lost, **table)


class Notes:
    """Turns the session's events into answers: which frame, and which sound, is behind each."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._began: dict[tuple[str, float], float] = {}  # by modality and end of the sound

    def take(self, event: Message, written: float) -> None:
        """An event, and when its line had been written."""
        if isinstance(event, Evidence) and event.modality != "face":
            self._began[event.modality, event.t1] = event.t0
        elif isinstance(event, Evidence | Missing) and event.modality == "face":
            self.trace.frames.append(event.t1)
        elif isinstance(event, Gap) and event.stream == "audio":
            self.trace.lose(event.t0, event.t1)
        elif isinstance(event, EmotionEstimate) and event.newest is not None:
            face = event.modalities["face"]
            self.trace.answers.append(
                Answer(
                    written,
                    None if face is None else face.t,
                    self._sound(event),
                    event.window if event.final else None,
                )
            )

    def _sound(self, event: EmotionEstimate) -> Seconds | None:
        spans = [
            (self._began[name, said.t], said.t)
            for name in ("speech", "text")
            if (said := event.modalities[name]) is not None
        ]
        return max(spans, key=lambda span: span[1], default=None)


def _pair(value: list[float] | None) -> Seconds | None:
    return None if value is None else (value[0], value[1])
