"""The very networks of the session, called one by one as a loop calls them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.face import FaceModel
from mmer.models.face_crop import align
from mmer.models.prediction import Prediction
from mmer.models.speech import SpeechModel
from mmer.models.store import Store, Unavailable
from mmer.models.text import TextModel
from mmer.realtime.blocks.pocketsphinx_recognizer import PocketsphinxRecognizer
from mmer.realtime.blocks.recognizer import SpeechRecognizer
from mmer.realtime.blocks.vosk_recognizer import VoskRecognizer
from mmer.realtime.choose import find_blazeface, find_vosk, load_detector
from mmer.realtime.messages import AudioBlock, VideoFrame


class Models:
    """Detector, recognizer of words and the three encoders; each method gives probabilities (7,).

    Raises MmerError for what is not on this machine: nothing is fetched.
    """

    def __init__(self, asr: str, detector: str, provider: str) -> None:
        store = Store(offline=True)
        found = load_detector(detector, find_blazeface(detector, store))
        if found.made is None:
            raise MmerError("there is no face detector here: see mmer-live --check")
        self._detector = found.made
        self._words = _recognizer(asr, store)
        self._face = FaceModel.load(provider=provider)
        self._speech = SpeechModel.load(provider=provider)
        self._text = TextModel.load(provider=provider)
        self.names: Mapping[str, str | None] = {
            "detector": found.name,
            "words": None if self._words is None else self._words.name,
            "speech": self._speech.card.file,
            "text": self._text.card.file,
            "face": self._face.card.file,
        }
        self.provider: Mapping[str, str] = {
            "speech": self._speech.provider,
            "text": self._text.provider,
            "face": self._face.provider,
        }

    def look(self, frame: VideoFrame) -> NDArray[np.float32] | None:
        """Of the largest face; None where there is none."""
        faces = self._detector.detect(frame.image, frame.t)
        if not faces:
            return None
        largest = max(faces, key=lambda face: face.box[2] * face.box[3])
        crop = align(frame.image, largest.eyes, self._face.geometry)
        return _opinion(self._face.predict(crop))

    def listen(self, sound: AudioBlock) -> list[NDArray[np.float32]]:
        """Of the voice, and of the words where there are any."""
        opinions = [_opinion(self._speech.predict(sound.samples))]
        if self._words is not None:
            self._words.accept(sound.samples)
            opinions.append(_opinion(self._text.predict(self._words.finish().text)))
        return [opinion for opinion in opinions if opinion is not None]


def _recognizer(asr: str, store: Store) -> SpeechRecognizer | None:
    """As its package is used: in the caller's process, though PocketSphinx holds it while it works.

    The session runs it in a process of its own.
    """
    if asr == "none":
        return None
    vosk = find_vosk(asr, store)
    if isinstance(vosk, Path):
        return VoskRecognizer(vosk)
    if isinstance(vosk, Unavailable) and asr == "vosk":
        raise vosk
    return PocketsphinxRecognizer()


def _opinion(prediction: Prediction) -> NDArray[np.float32] | None:
    return prediction.probs if prediction.usable > 0 else None
