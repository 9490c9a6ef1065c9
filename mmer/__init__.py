"""mmer: real-time recognition of emotion from speech, words and face.

Light to import: models, devices and codecs are loaded when a recognizer is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmer.models.errors import MmerError
    from mmer.models.labels import EMOTIONS, MODALITIES
    from mmer.realtime.mailbox import Delivery
    from mmer.realtime.messages import (
        AudioBlock,
        Contribution,
        EmotionEstimate,
        Evidence,
        FaceObservation,
        Gap,
        Health,
        Message,
        Missing,
        Notice,
        SessionEnd,
        SpeechUpdate,
        Transcript,
        VideoFrame,
        Word,
    )
    from mmer.realtime.recognizer import Recognition, Recognizer, recognize
    from mmer.realtime.shared_models import SharedModels
    from mmer.realtime.sinks.sink import SessionInfo, Sink
    from mmer.realtime.sources.pushed import PushSource
    from mmer.realtime.sources.source import Source

__version__ = "0.1.0"

__all__ = [
    "EMOTIONS",
    "MODALITIES",
    "AudioBlock",
    "Contribution",
    "Delivery",
    "EmotionEstimate",
    "Evidence",
    "FaceObservation",
    "Gap",
    "Health",
    "Message",
    "Missing",
    "MmerError",
    "Notice",
    "PushSource",
    "Recognition",
    "Recognizer",
    "SessionEnd",
    "SessionInfo",
    "SharedModels",
    "Sink",
    "Source",
    "SpeechUpdate",
    "Transcript",
    "VideoFrame",
    "Word",
    "recognize",
]

_MODULES = {
    "mmer.models.errors": "MmerError",
    "mmer.models.labels": "EMOTIONS MODALITIES",
    "mmer.realtime.mailbox": "Delivery",
    "mmer.realtime.messages": (
        "AudioBlock Contribution EmotionEstimate Evidence FaceObservation Gap Health Message "
        "Missing Notice SessionEnd SpeechUpdate Transcript VideoFrame Word"
    ),
    "mmer.realtime.recognizer": "Recognition Recognizer recognize",
    "mmer.realtime.shared_models": "SharedModels",
    "mmer.realtime.sinks.sink": "SessionInfo Sink",
    "mmer.realtime.sources.pushed": "PushSource",
    "mmer.realtime.sources.source": "Source",
}
"""Public names by module, which is imported when the first of them is used."""

_WHERE = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
