"""Replacements of VAD and ASR for evaluation: a clip is one utterance, its words are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.blocks.block import Block
from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Gap,
    Message,
    SpeechState,
    SpeechUpdate,
    Transcript,
    Word,
)
from mmer.training.datasets.media import sounding


class WholeClip(Block):
    """AudioBlock and Gap in, one SpeechUpdate at the end of the stream.

    The utterance is the sound without the silence at its ends, as encoders were trained; of a clip
    without sound it lasts from the beginning to the end of what a Gap has told. Lost sound in
    between is filled with zeros.
    """

    _until: float

    def __init__(self) -> None:
        self.reset()

    def push(self, message: Message) -> Sequence[SpeechUpdate]:
        if isinstance(message, AudioBlock):
            if not self._blocks:
                self._t0 = message.t0
            late = round((message.t0 - self._t0) * SAMPLE_RATE) - self._n
            if self._blocks and late > SAMPLE_RATE // 50:
                self._keep(np.zeros(late, np.int16))
            self._keep(np.asarray(message.samples, np.int16))
            self._until = max(self._until, message.t1)
        elif isinstance(message, Gap) and np.isfinite(message.t1):
            self._until = max(self._until, message.t1)
        return ()

    def flush(self) -> Sequence[SpeechUpdate]:
        samples = np.concatenate([np.zeros(0, np.int16), *self._blocks])
        t0, t1 = 0.0, self._until
        if len(samples):
            kept = sounding(samples)
            samples = samples[kept]
            t0, t1 = (self._t0 + edge / SAMPLE_RATE for edge in (kept.start, kept.stop))
        return (SpeechUpdate(1, t0, t1, SpeechState.ENDED, samples, decided=self._until),)

    def reset(self) -> None:
        self._blocks: list[NDArray[np.int16]] = []
        self._n = 0
        self._t0 = 0.0
        self._until = 0.0

    def _keep(self, samples: NDArray[np.int16]) -> None:
        self._blocks.append(samples)
        self._n += len(samples)


class GoldWords(Block):
    """SpeechUpdate -> Transcript, as the block ``Transcriber``, but with the corpus' own words.

    ``text`` is the final transcript of any utterance. Timed ``words`` are revealed as they are
    spoken instead: while the person speaks, a word is there as soon as it has ended; the final of
    an utterance holds every word whose middle lies in it.
    """

    def __init__(self, words: Sequence[Word] = ()) -> None:
        self.text = ""
        self._words = tuple(words)
        self._revealed: tuple[Word, ...] = ()

    def push(self, message: Message) -> Sequence[Transcript]:
        if not isinstance(message, SpeechUpdate):
            return ()
        ended = message.state is SpeechState.ENDED
        inside = [w for w in self._words if message.t0 <= (w.t0 + w.t1) / 2 < message.t1]
        words = tuple(w for w in inside if ended or w.t1 <= message.t1)
        if words == self._revealed and not ended:
            return ()
        self._revealed = () if ended else words
        return (
            Transcript(
                message.utterance,
                message.t0,
                message.t1,
                " ".join(w.text for w in words) if self._words else self.text,
                partial=not ended,
                asr="gold",
                words=words,
                confidence=1.0,
                style="written",
            ),
        )

    def reset(self) -> None:
        self._revealed = ()


def timed(sentence: str, begin: float, end: float) -> tuple[Word, ...]:
    """The words of ``sentence``, spread over ``begin``..``end`` seconds by their letters."""
    texts = sentence.split()
    letters = sum(map(len, texts))
    words, before = [], 0
    for text in texts:
        t0, t1 = (begin + (end - begin) * n / letters for n in (before, before + len(text)))
        words.append(Word(text, t0, t1, 1.0))
        before += len(text)
    return tuple(words)
