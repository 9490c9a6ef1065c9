"""Interface of the speech recognizers: a shared ``AsrModel`` opens an ``AsrStream`` a caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmer.models.preparation.text_style import TextStyle


@dataclass(frozen=True)
class TimedWord:
    """A word and where it lies, in samples since the utterance began."""

    text: str
    start: int
    end: int
    confidence: float | None = None  # 0..1; None where the engine does not give one


@dataclass(frozen=True)
class Hypothesis:
    """Transcript of an utterance so far, by the engine named ``asr``.

    ``words`` holds the words whose times are known: in a final hypothesis all of them or none, in
    a partial one maybe fewer than ``text``. ``confidence`` is the expected share of right words,
    0..1, or None. ``why`` is the reason where there is no text although there is sound.
    """

    asr: str
    text: str = ""
    words: tuple[TimedWord, ...] = ()
    confidence: float | None = None
    style: TextStyle = "bare"
    why: str = ""


class AsrStream(Protocol):
    """Recognizer state of one caller: one utterance after another, piece by piece."""

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        """Append sound, shape (n,), 16 kHz mono; return the hypothesis so far.

        ``pause``: speech has stopped for a moment, so the utterance may end with these samples; an
        engine that decodes whole utterances does so now and has little left to do in ``finish``.
        """

    def finish(self) -> Hypothesis:
        """End the utterance: its final hypothesis. The next ``accept`` begins another."""

    def reset(self) -> None:
        """Drop the utterance and whatever earlier ones left behind."""


@runtime_checkable
class Sheddable(Protocol):
    """AsrStream whose hypotheses cost so much that some work may be left out."""

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        """Call ``wanted`` before and while making a partial hypothesis: False leaves it out.

        Where ``late`` is true, make a final one with the least work.
        """


class AsrModel(Protocol):
    """A loaded engine: immutable, shared by any number of streams and threads."""

    name: str
    description: str  # for people and the session line: engine and model
    trust: float  # 0..1: weight of its transcripts in the fusion, beside their confidence

    def stream(self) -> AsrStream:
        """Open a stream with a state of its own."""


def transcribe(samples: NDArray[np.int16], model: AsrModel) -> Hypothesis:
    """Final hypothesis of sound, int16 (n,), 16 kHz mono, that is one utterance."""
    stream = model.stream()
    stream.accept(samples, pause=True)
    return stream.finish()
