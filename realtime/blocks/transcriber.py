"""Transcriber block: ``SpeechUpdate`` in, ``Transcript`` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mmer.realtime.asr.interface import AsrStream, Hypothesis, Sheddable
from mmer.realtime.blocks.block import Block
from mmer.realtime.messages import (
    SAMPLE_RATE,
    Message,
    SpeechState,
    SpeechUpdate,
    Transcript,
    Word,
)


class Transcriber(Block):
    """A partial Transcript whenever the text changes and at a pause, and one final an utterance.

    The final one comes even when there is no text: those who wait for it then know. Updates hold
    all the sound of their utterance, so some may be missed; only what the stream has not had yet
    is passed on. An utterance whose end is missed is finished when the next one comes. A silence
    that is no pause yet is decoded as one, unless transcripts are late.
    """

    def __init__(self, stream: AsrStream) -> None:
        self._stream = stream
        self._open: SpeechUpdate | None = None  # the newest update of the open utterance
        self._fed = 0  # samples of it that the stream has had
        self._text = ""
        self._finished = 0  # id of the last utterance that is over
        self._late: Callable[[], bool] = _never

    def push(self, message: Message) -> Sequence[Transcript]:
        if not isinstance(message, SpeechUpdate) or message.utterance <= self._finished:
            return []
        out: list[Transcript] = []
        if self._open is not None and message.utterance != self._open.utterance:
            out += self.flush()
        self._open = message
        ended = message.state is SpeechState.ENDED
        new = message.samples[self._fed :]
        self._fed = max(self._fed, len(message.samples))
        paused = message.state is SpeechState.PAUSED
        early = message.state is SpeechState.STOPPING and not self._late()
        hypothesis = self._stream.accept(new, pause=paused or early or ended)
        unchanged = hypothesis.text == self._text
        if ended:
            out += self.flush()
        elif paused or not unchanged:
            self._text = hypothesis.text
            partial = _transcript(message, hypothesis, partial=True)
            out.append(replace(partial, pause=paused, unchanged=unchanged))
        return out

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        self._late = late
        if isinstance(self._stream, Sheddable):
            self._stream.ask_first(wanted, late)

    def flush(self) -> Sequence[Transcript]:
        if self._open is None:
            return []
        final = _transcript(self._open, self._stream.finish(), partial=False)
        self._finished = self._open.utterance
        self._open, self._fed, self._text = None, 0, ""
        return [final]

    def reset(self) -> None:
        self._open, self._fed, self._text, self._finished = None, 0, "", 0
        self._stream.reset()  # last: an engine that has died raises


def _never() -> bool:
    return False


def _transcript(update: SpeechUpdate, hypothesis: Hypothesis, *, partial: bool) -> Transcript:
    def when(sample: int) -> float:
        return min(update.t0 + sample / SAMPLE_RATE, update.t1)

    return Transcript(
        utterance=update.utterance,
        t0=update.t0,
        t1=update.t1,
        text=hypothesis.text,
        partial=partial,
        asr=hypothesis.asr,
        words=tuple(
            Word(w.text, when(w.start), when(w.end), w.confidence) for w in hypothesis.words
        ),
        confidence=hypothesis.confidence,
        style=hypothesis.style,
        why=hypothesis.why,
        decided=update.decided,
    )
