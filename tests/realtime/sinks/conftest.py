"""Hand-made events: no model, no device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    FaceObservation,
    Health,
    Message,
    Notice,
    SessionEnd,
    SpeechState,
    SpeechUpdate,
    Transcript,
    VideoFrame,
)
from mmer.realtime.sinks.sink import SessionInfo


def probabilities(label: str, top: float = 0.7) -> np.ndarray:
    probs = np.full(7, (1 - top) / 6, np.float32)
    probs[EMOTIONS.index(label)] = top
    return probs


def estimate(
    t: float,
    label: str | None = "joy",
    *,
    present: Sequence[str] = ("speech", "text"),
    window: tuple[float, float] | None = None,
    final: bool = False,
    utterance: int | None = None,
    why: dict[str, str] | None = None,
) -> EmotionEstimate:
    probs = None if label is None else probabilities(label)
    given = {} if label is None else dict.fromkeys(present, label)
    modalities = {
        m: Contribution(given[m], 1 / len(given), t - 0.1, 0.1, probabilities(given[m]))
        if m in given
        else None
        for m in MODALITIES
    }
    reasons = {m: f"no {m}" for m in MODALITIES if m not in given}
    if label is None:
        reasons["label"] = "silence"
    return EmotionEstimate(
        t,
        window or (t - 4, t),
        label,
        probs,
        None if label is None else 0.7,
        modalities,
        reasons if why is None else why,
        final,
        utterance,
    )


def provisional(t: float, utterance: int, window: tuple[float, float]) -> EmotionEstimate:
    return replace(estimate(t, window=window, utterance=utterance), provisional=True)


def transcript(
    utterance: int, t0: float, t1: float, text: str, partial: bool = False
) -> Transcript:
    return Transcript(utterance, t0, t1, text, partial, "vosk", (), None if partial else 0.93)


def speech(utterance: int, t0: float, t1: float, state: SpeechState) -> SpeechUpdate:
    return SpeechUpdate(utterance, t0, t1, state, np.zeros(16, np.int16), t1 + 0.02)


def frame(t: float, width: int = 160, height: int = 120, shade: int = 128) -> VideoFrame:
    return VideoFrame(t, np.full((height, width, 3), shade, np.uint8))


def face(t: float, quality: float = 0.93) -> FaceObservation:
    eyes = np.array([[70, 50], [90, 50]], np.float32)
    return FaceObservation(t, 1, (60.0, 30.0, 40.0, 50.0), eyes, None, quality)


def info(live: bool = False, **changes: Any) -> SessionInfo:
    utc = datetime(2026, 11, 21, 12, 0, 0, 250_000, timezone.utc) if live else None
    values: dict[str, Any] = {
        "utc": utc,
        "source": {"kind": "file", "name": "clip.mp4"},
        "models": {"asr": {"name": "vosk"}},
        "provider": {"speech": "cpu"},
        "config": {"hop_s": 0.25, "longest_s": float("inf"), "modalities": ("speech", "text")},
        "streams": frozenset({"audio", "video"}),
        "duration_s": 20.0,
    }
    return SessionInfo(**{**values, **changes})


def session() -> list[Message]:
    """A short session with every kind of event, in order."""
    return [
        frame(0.9),
        face(0.9),
        speech(1, 0.5, 1.0, SpeechState.STARTED),
        estimate(1.0, None, present=()),
        transcript(1, 0.5, 1.4, "what a", partial=True),
        estimate(1.5),
        speech(1, 0.5, 1.9, SpeechState.ENDED),
        transcript(1, 0.5, 1.9, "what a wonderful day"),
        estimate(2.2, window=(0.5, 1.9), final=True, utterance=1),
        Notice(2.3, "warning", "microphone", "lost 0.120 s"),
        Health(2.5, {"video": 2}, {"audio": 0.0123, "video": None}, 0.12, {"speech": 80.04}),
        estimate(2.5, "surprise", present=("face",)),
    ]


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The makers above, for tests in this folder."""
    return SimpleNamespace(
        estimate=estimate,
        provisional=provisional,
        transcript=transcript,
        speech=speech,
        frame=frame,
        face=face,
        info=info,
        session=session,
        probabilities=probabilities,
        end=SessionEnd(3.0, 1, 4, {"video": 2, "audio": 0}),
    )
