"""Turns utterances into words: ``SpeechUpdate`` in, ``Transcript`` out."""

from __future__ import annotations

from collections.abc import Sequence

from mmer.realtime.blocks.recognizer import Hypothesis, SpeechRecognizer
from mmer.realtime.messages import (
    SAMPLE_RATE,
    Message,
    SpeechState,
    SpeechUpdate,
    Transcript,
    Word,
)


class Words:
    """A partial Transcript whenever the text changes, one final Transcript an utterance.

    The final one comes even when there are no words: those who wait for words then know it.
    Updates hold all the sound of their utterance, so some may be missed; only what was not fed
    yet is fed. An utterance whose end is missed is finished when the next one comes.
    """

    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self.recognizer = recognizer
        self._open: SpeechUpdate | None = None  # the newest update of the utterance being heard
        self._fed = 0  # samples of it that the recognizer has had
        self._text = ""
        self._finished = 0  # id of the last utterance that is over

    def push(self, message: Message) -> Sequence[Transcript]:
        """Take an update; other messages are ignored."""
        if not isinstance(message, SpeechUpdate) or message.utterance <= self._finished:
            return []
        out: list[Transcript] = []
        if self._open is not None and message.utterance != self._open.utterance:
            out += self.flush()
        self._open = message
        hypothesis = self.recognizer.accept(message.samples[self._fed :])
        self._fed = len(message.samples)
        if message.state is SpeechState.ENDED:
            out += self.flush()
        elif hypothesis.text != self._text:
            self._text = hypothesis.text
            out.append(self._transcript(message, hypothesis, partial=True))
        return out

    def flush(self) -> Sequence[Transcript]:
        """Finish the utterance being heard."""
        if self._open is None:
            return []
        final = self._transcript(self._open, self.recognizer.finish(), partial=False)
        self._finished = self._open.utterance
        self._open, self._fed, self._text = None, 0, ""
        return [final]

    def reset(self) -> None:
        """Forget the stream; the recognizer keeps its model."""
        self.recognizer.reset()
        self._open, self._fed, self._text, self._finished = None, 0, "", 0

    def _transcript(
        self, update: SpeechUpdate, hypothesis: Hypothesis, *, partial: bool
    ) -> Transcript:
        def when(sample: int) -> float:
            return min(update.t0 + sample / SAMPLE_RATE, update.t1)

        return Transcript(
            utterance=update.utterance,
            t0=update.t0,
            t1=update.t1,
            text=hypothesis.text,
            partial=partial,
            asr=self.recognizer.name,
            words=tuple(
                Word(w.text, when(w.start), when(w.end), w.confidence) for w in hypothesis.words
            ),
            confidence=hypothesis.confidence,
        )
