"""Text encoder block: transcript of an utterance, in its context, to evidence of emotion."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmer.models.errors import MmerError
from mmer.models.quality import FULL_WORDS, text_quality
from mmer.realtime.blocks.block import Block
from mmer.realtime.messages import Evidence, Message, Missing, Transcript

if TYPE_CHECKING:
    from mmer.models.encoder import TextModel
    from mmer.models.prediction import Prediction
    from mmer.models.preparation.text_style import TextStyle

_REMEMBERED = 32
"""More utterances than any model reads."""


@dataclass(frozen=True)
class TextEncoderConfig:
    """How far the transcript is trusted, and how long it is context."""

    trust: float = 1.0  # 0..1, in the recognizer (``AsrModel.trust``)
    full_words: int = FULL_WORDS  # from so many words on, length takes nothing from the quality
    past_s: float = (
        60.0  # utterances that ended earlier than so long before are no context; 0: none
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.trust <= 1.0:
            raise MmerError(f"the trust in a recognizer must be 0..1, got {self.trust}")
        if self.full_words < 1:
            raise MmerError(f"full_words must be at least 1, got {self.full_words}")
        if not self.past_s >= 0.0:
            raise MmerError(f"past_s must be at least 0 seconds, got {self.past_s}")


class TextEncoder(Block):
    """Transcript -> Evidence("text").

    A partial transcript is evaluated when its words differ from the last ones (case and spaces
    aside), or at a pause; the final gives exactly one Evidence or Missing with ``partial=False``.
    Where the words are the same, and written in the same style, the last prediction is taken over.

    The context is input too: the final transcripts of the last ``past_s`` seconds, of which
    the model takes as many utterances as it was trained on; never a partial. One microphone hears
    whoever speaks, so they may be another person's: so they were in the dialogues of the training.
    """

    _utterance: int | None
    _words: str  # normalised, of the last transcript
    _style: TextStyle  # of the last transcript
    _prediction: Prediction | None  # of those words in that style
    _ended: bool

    def __init__(self, model: TextModel, config: TextEncoderConfig | None = None) -> None:
        self._model = model
        self._config = config or TextEncoderConfig()
        # end in seconds and words, oldest first
        self._past: deque[tuple[float, str]] = deque(maxlen=_REMEMBERED)
        self.reset()

    def push(self, message: Message) -> Sequence[Message]:
        """Evaluate a Transcript; ignores other messages."""
        if not isinstance(message, Transcript):
            return ()
        if message.utterance != self._utterance:
            self._begin(message)
        words = " ".join(message.text.lower().split())
        waited_for = not message.partial or message.pause
        if self._ended or (words == self._words and not waited_for):
            return ()
        self._ended = not message.partial
        if (words, message.style) != (self._words, self._style):
            self._words, self._style, self._prediction = words, message.style, None
        text = " ".join(message.text.split())
        past = tuple(said for _, said in self._past)
        trust, full_words = self._config.trust, self._config.full_words
        quality = text_quality(text, trust, message.confidence, full_words)
        if self._ended and quality > 0.0:
            self._past.append((message.t1, text))
        if quality <= 0.0:
            why = message.why or ("unsure words" if words else "no words")
            span = (message.t0, message.t1)
            return (Missing("text", *span, why, message.partial, message.utterance),)
        if self._prediction is None:
            self._prediction = self._model.predict(text, past, message.style)
        if self._prediction.usable <= 0.0:
            span = (message.t0, message.t1)
            return (Missing("text", *span, "no words", message.partial, message.utterance),)
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
                punctuated=message.style != "bare",
            ),
        )

    def reset(self) -> None:
        self._past.clear()
        self._utterance = None
        self._forget_words()

    def _begin(self, message: Transcript) -> None:
        self._utterance = message.utterance
        self._forget_words()
        past_s = self._config.past_s
        while self._past and (not past_s or self._past[0][0] < message.t0 - past_s):
            self._past.popleft()

    def _forget_words(self) -> None:
        self._words, self._style = "", "bare"
        self._prediction = None
        self._ended = False
