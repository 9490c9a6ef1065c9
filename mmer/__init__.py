"""mmer: real-time recognition of emotion from speech, words and face.

Light to import: models, devices and codecs are loaded when a recognizer is made.
"""

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Health,
    Message,
    Notice,
    SessionEnd,
    SpeechUpdate,
    Transcript,
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
    "Contribution",
    "EmotionEstimate",
    "Evidence",
    "FaceObservation",
    "Gap",
    "Health",
    "Message",
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
    "Word",
    "recognize",
]
