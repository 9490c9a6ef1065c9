"""From the words of an utterance to what they say of the emotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mmer.models.errors import MmerError
from mmer.realtime.messages import Evidence, Message, Missing, Transcript

if TYPE_CHECKING:
    from mmer.models.prediction import Prediction


class TextModel(Protocol):
    """What the block needs of a text network."""

    def predict(self, text: str) -> Prediction:
        """Judge the words so far."""
        ...


@dataclass(frozen=True)
class TextEncoderConfig:
    """How far the recognized words are believed."""

    trust: float = 1.0  # 0..1, in the recognizer (``SpeechRecognizer.trust``)
    full_words: int = 4  # from so many words on, length takes nothing from the quality

    def __post_init__(self) -> None:
        if not 0.0 <= self.trust <= 1.0:
            raise MmerError(f"the trust in a recognizer must be 0..1, got {self.trust}")
        if self.full_words < 1:
            raise MmerError(f"full_words must be at least 1, got {self.full_words}")


def text_quality(transcript: Transcript, config: TextEncoderConfig) -> float:
    """How far the words can be relied on, 0..1; a product of three factors.

    - trust in the recognizer, from the config;
    - its confidence in the whole, where it gives one;
    - length: (1 + words) / (1 + ``full_words``), at most 1 (a single word says less).
    """
    words = len(transcript.text.split())
    if words == 0:
        return 0.0
    confidence = 1.0
    if transcript.confidence is not None:
        confidence = min(1.0, max(0.0, transcript.confidence))
    return config.trust * confidence * min(1.0, (1 + words) / (1 + config.full_words))


class TextEncoder:
    """Transcript -> Evidence("text").

    A partial transcript is judged when its words differ from the last ones (case and spaces
    aside); the final gives exactly one Evidence or Missing with ``partial=False``, and takes over
    the last judgement when the words are the same.
    """

    _utterance: int | None
    _words: str  # normalised, of the last transcript
    _prediction: Prediction | None  # of those words
    _ended: bool

    def __init__(self, model: TextModel, config: TextEncoderConfig | None = None) -> None:
        self._model = model
        self._config = config or TextEncoderConfig()
        self.reset()

    def push(self, message: Message) -> Sequence[Message]:
        """Take a Transcript; other messages pass unseen."""
        if not isinstance(message, Transcript):
            return ()
        if message.utterance != self._utterance:
            self.reset()
            self._utterance = message.utterance
        words = " ".join(message.text.lower().split())
        if self._ended or (message.partial and words == self._words):
            return ()
        self._ended = not message.partial
        if words != self._words:
            self._words, self._prediction = words, None
        quality = text_quality(message, self._config)
        if quality <= 0.0:
            why = "unsure words" if words else "no words"
            span = (message.t0, message.t1)
            return (Missing("text", *span, why, message.partial, message.utterance),)
        if self._prediction is None:
            self._prediction = self._model.predict(" ".join(message.text.split()))
        return (
            Evidence(
                "text",
                t0=message.t0,
                t1=message.t1,
                log_probs=self._prediction.log_probs,
                quality=quality,
                partial=message.partial,
                utterance=message.utterance,
                embedding=self._prediction.embedding,
            ),
        )

    def flush(self) -> Sequence[Message]:
        """Nothing: the end of an utterance comes as a final transcript."""
        return ()

    def reset(self) -> None:
        """Forget the utterance under way."""
        self._utterance = None
        self._words = ""
        self._prediction = None
        self._ended = False
