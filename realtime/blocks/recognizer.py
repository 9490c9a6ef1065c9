"""The one interface of the speech recognizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HeardWord:
    """A word and where it lies, in samples since the utterance began."""

    text: str
    start: int
    end: int
    confidence: float | None = None  # 0..1; None where the recognizer does not know it


@dataclass(frozen=True)
class Hypothesis:
    """What a recognizer makes of an utterance so far.

    ``words`` holds the words whose times are known: all of them in a final hypothesis, maybe
    fewer than ``text`` before. ``confidence`` is the expected share of right words, or None.
    """

    text: str = ""
    words: tuple[HeardWord, ...] = ()
    confidence: float | None = None

    @classmethod
    def from_words(cls, words: tuple[HeardWord, ...]) -> Hypothesis:
        """Text and confidence that follow from the words."""
        known = [w.confidence for w in words if w.confidence is not None]
        mean = sum(known) / len(known) if known and len(known) == len(words) else None
        return cls(" ".join(w.text for w in words), words, mean)


class SpeechRecognizer(Protocol):
    """Takes an utterance piece by piece; holds a loaded model and one utterance's state."""

    name: str
    trust: float  # 0..1: how far the fusion may believe its words

    def accept(self, samples: NDArray[np.int16]) -> Hypothesis:
        """The utterance's next sound, shape (n,), 16 kHz; return the hypothesis so far."""
        ...

    def finish(self) -> Hypothesis:
        """The utterance is over: its final hypothesis. The next ``accept`` begins another."""
        ...

    def reset(self) -> None:
        """Forget the utterance and what was learnt from earlier ones; keep the model."""
        ...

    def close(self) -> None:
        """Release what it holds beyond memory; harmless when repeated."""
        ...
