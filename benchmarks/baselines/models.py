"""The session's own networks, called one by one by the baseline loops."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmer.models.encoder import FaceModel, SpeechModel, TextModel
from mmer.models.prediction import Prediction
from mmer.models.preparation.face_crop import align
from mmer.models.store.store import Store
from mmer.realtime.asr.selection import load, select
from mmer.realtime.choose import find_detector, load_detector
from mmer.realtime.messages import AudioBlock, VideoFrame


class Models:
    """Detector, speech recognizer and the three encoders; each method gives probabilities (7,).

    Raises MmerError for what is not on this machine: nothing is fetched.
    """

    def __init__(self, asr: str, detector: str, provider: str) -> None:
        store = Store(offline=True)
        found = load_detector(find_detector(detector, store))
        self._detector = found.made
        asr_model = load(select(asr, store))
        self._asr = None if asr_model.made is None else asr_model.made.stream()
        self._face = FaceModel.load(provider=provider)
        self._speech = SpeechModel.load(provider=provider)
        self._text = TextModel.load(provider=provider)
        self.names: Mapping[str, str | None] = {
            "detector": found.name,
            "words": asr_model.name,
            "speech": self._speech.card.file,
            "text": self._text.card.file,
            "face": self._face.card.file,
        }
        self.provider: Mapping[str, str] = {
            "speech": self._speech.provider,
            "text": self._text.provider,
            "face": self._face.provider,
        }

    def predict_face(self, frame: VideoFrame) -> NDArray[np.float32] | None:
        """Probabilities of the largest face; None without a face."""
        faces = self._detector.detect(frame.image, frame.t)
        if not faces:
            return None
        largest = max(faces, key=lambda face: face.box[2] * face.box[3])
        crop = align(frame.image, largest.eyes, self._face.geometry)
        return _opinion(self._face.predict(crop))

    def predict_sound(self, sound: AudioBlock) -> list[NDArray[np.float32]]:
        """Probabilities by speech, and by its transcript where there is one."""
        opinions = [_opinion(self._speech.predict(sound.samples))]
        if self._asr is not None:
            self._asr.accept(sound.samples)
            transcript = self._asr.finish()
            opinions.append(_opinion(self._text.predict(transcript.text, style=transcript.style)))
        return [opinion for opinion in opinions if opinion is not None]


def _opinion(prediction: Prediction) -> NDArray[np.float32] | None:
    return prediction.probs if prediction.usable > 0 else None
