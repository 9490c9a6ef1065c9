"""State to show: the latest of the events, for panel, window and video."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mmer.models.labels import MODALITIES
from mmer.realtime.messages import (
    AudioBlock,
    Clip,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Health,
    Message,
    Missing,
    Notice,
    SpeechState,
    SpeechUpdate,
    Transcript,
)
from mmer.realtime.sinks.sink import SessionInfo

FACE_STALE_S: Final = 1.0
"""A face older than this is not drawn."""

_AT_SIDE: Final = 0.08
"""Faces whose middle is so far off the image's, as a share of its width, are on one side."""

TITLES: Final = {"speech": "voice", "text": "words", "face": "face"}
"""Names of the modalities for people."""


@dataclass(frozen=True)
class ShownFace:
    """A face to draw: box in pixels of the frame (x, y, width, height), and its label."""

    box: tuple[float, float, float, float]
    label: str | None
    confidence: float | None
    person: int | None = None


def event_time(event: Message) -> float:
    """Time of decision of an event in seconds, where it has one; a span counts by its end."""
    if isinstance(event, SpeechUpdate):
        return event.decided
    if isinstance(event, AudioBlock):
        return event.t1
    if isinstance(event, (Transcript, Clip, Evidence, Missing, Gap)):
        return event.t1 if math.isfinite(event.t1) else event.t0
    return event.t


@dataclass
class OverlayState:
    """The latest of everything; ``update`` it with each event in order.

    ``t`` is the newest time, in seconds; ``latency_ms`` the last estimate's, None in replay.
    """

    t: float = 0.0
    source: str = ""
    duration_s: float | None = None
    estimate: EmotionEstimate | None = None
    face: FaceObservation | None = None
    faces: dict[int, FaceObservation] = field(default_factory=dict)  # of several people
    estimates: dict[int, EmotionEstimate] = field(default_factory=dict)  # running ones, by person
    person: int | None = None  # of several, the one whose estimate is ``estimate``
    bars_left: bool = True  # on the side where the faces are not
    speaking: bool = False
    speech_t0: float = 0.0
    speech_t1: float = 0.0
    partial: Transcript | None = None
    finals: deque[Transcript] = field(default_factory=lambda: deque(maxlen=3))
    labels: dict[int, str] = field(default_factory=dict)  # of the finals, by utterance
    provisional: str | None = None  # label of the open utterance, which may have ended
    notices: deque[Notice] = field(default_factory=lambda: deque(maxlen=3))
    drops: Mapping[str, int] = field(default_factory=dict)
    queue_s: float | None = None  # the oldest waiting message's age
    gap_s: float = 0.0
    latency_ms: float | None = None

    def open(self, info: SessionInfo) -> None:
        """Take the session's name and length."""
        self.source = source_name(info.source)
        self.duration_s = info.duration_s

    def update(self, event: Message, now: float | None) -> None:
        """Take one event; ``now`` is the session's clock, None in replay."""
        self.t = max(self.t, event_time(event) if now is None else now)
        if isinstance(event, EmotionEstimate):
            self._estimated(event, now)
        elif isinstance(event, FaceObservation):
            self._seen(event)
        elif isinstance(event, SpeechUpdate):
            self.speaking = event.state is not SpeechState.ENDED
            if event.state is not SpeechState.PAUSED:  # ended, or it goes on
                self.provisional = None
            self.speech_t0, self.speech_t1 = event.t0, event.t1
        elif isinstance(event, Transcript):
            self._transcribed(event)
        elif isinstance(event, Notice):
            self.notices.append(event)
        elif isinstance(event, Health):
            ages = [age for age in event.queue.values() if age is not None]
            self.drops, self.gap_s = event.drops, event.gap_s
            self.queue_s = max(ages, default=None)

    def turn_bars(self, width: float) -> None:
        """Move the bars to the other side where the faces come to theirs; not to and fro.

        ``width`` is the frame's, in pixels.
        """
        boxes = [face.box for face in self.visible_faces]
        if len(boxes) > 1:
            left = min(x for x, _, _, _ in boxes)
            right = width - max(x + w for x, _, w, _ in boxes)
            if abs(left - right) > _AT_SIDE * width:
                self.bars_left = left > right
        elif boxes and width > 0:
            middle = sum(x + w / 2 for x, _, w, _ in boxes) / len(boxes) / width
            if abs(middle - 0.5) > _AT_SIDE:
                self.bars_left = middle > 0.5

    def _seen(self, face: FaceObservation) -> None:
        self.face = face
        if face.track is not None and face.box is not None:
            self.faces[face.track] = face
            for track in [k for k, f in self.faces.items() if self.t - f.t > FACE_STALE_S]:
                del self.faces[track]

    def _estimated(self, estimate: EmotionEstimate, now: float | None) -> None:
        if estimate.person is not None:
            if estimate.of_utterance or self.person not in (*self.faces, 0):
                self.person = estimate.person  # who spoke last, or who is there
            if not estimate.of_utterance:
                self.estimates[estimate.person] = estimate
                if estimate.person != self.person:
                    return
        # those of an utterance say how it was, the others how it is now: these are what is shown
        shown = self.estimate
        if not estimate.of_utterance or shown is None or shown.of_utterance:
            self.estimate = estimate
        if estimate.provisional:
            self.provisional = estimate.label
        newest = estimate.newest
        self.latency_ms = None if now is None or newest is None else (now - newest) * 1000
        if estimate.final and estimate.utterance is not None and estimate.label is not None:
            self.labels[estimate.utterance] = estimate.label
            for old in [u for u in self.labels if u < estimate.utterance - 8]:
                del self.labels[old]

    def _transcribed(self, transcript: Transcript) -> None:
        if transcript.partial:
            self.partial = transcript
            return
        if self.partial is not None and self.partial.utterance <= transcript.utterance:
            self.partial = None
        if transcript.text:
            self.finals.append(transcript)

    @property
    def transcript(self) -> Transcript | None:
        """The newest transcript with text: the partial one while there is one."""
        if self.partial is not None and self.partial.text:
            return self.partial
        return self.finals[-1] if self.finals else None

    @property
    def visible_face(self) -> FaceObservation | None:
        """The face, if one was found lately."""
        face = self.face
        if face is None or face.box is None or self.t - face.t > FACE_STALE_S:
            return None
        return face

    @property
    def visible_faces(self) -> list[ShownFace]:
        """Those found lately, each with its label."""
        if self.estimates:
            return [
                ShownFace(f.box, e.label if e else None, e.confidence if e else None, track)
                for track, f in sorted(self.faces.items())
                if f.box is not None and self.t - f.t <= FACE_STALE_S / 2
                for e in (self.estimates.get(track),)
            ]
        face, estimate = self.visible_face, self.estimate
        if face is None or face.box is None:
            return []
        if estimate is None:
            return [ShownFace(face.box, None, None)]
        return [ShownFace(face.box, estimate.label, estimate.confidence)]

    def modality_state(self, modality: str) -> str:
        """State of a modality in a few words: "found, quality 0.93", "speaking 1.2 s"."""
        estimate = self.estimate
        why = "" if estimate is None else estimate.why.get(modality, "")
        if modality == "face":
            if (face := self.visible_face) is not None:
                return f"found, quality {face.quality:.2f}"
            return (self.face.why if self.face is not None else "") or why or "no picture yet"
        if modality == "speech":
            if self.speaking:
                return f"speaking {max(self.speech_t1 - self.speech_t0, 0.0):.1f} s"
            return why if why and not self.speech_t1 else "quiet"
        if self.partial is not None and self.partial.text:
            return f"hearing ({self.partial.asr})"
        return f"heard ({self.finals[-1].asr})" if self.finals else why or "no words yet"

    def contribution(self, modality: str) -> str:
        """Contribution of a modality to the estimate: "joy 0.40, 0.1 s old", or "-"."""
        given = None if self.estimate is None else self.estimate.modalities.get(modality)
        return (
            "-" if given is None else f"{given.label} {given.weight:.2f}, {given.age_s:.1f} s old"
        )


def source_name(source: Mapping[str, Any]) -> str:
    """Name of the source, for people."""
    name = source.get("name") or source.get("path") or source.get("kind") or ""
    return " and ".join(map(str, name)) if isinstance(name, list) else str(name)


def modality_labels(estimate: EmotionEstimate) -> str:
    """The modalities' own labels and weights: "speech joy 0.40, words joy 0.40, face -"."""
    parts = []
    for modality in MODALITIES:
        name = "words" if modality == "text" else modality
        given = estimate.modalities.get(modality)
        parts.append(f"{name} -" if given is None else f"{name} {given.label} {given.weight:.2f}")
    return ", ".join(parts)
