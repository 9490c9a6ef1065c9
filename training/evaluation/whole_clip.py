"""A stand-in for the voice activity: what was cut by a corpus is one utterance, heard or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Gap,
    Message,
    SpeechState,
    SpeechUpdate,
    Transcript,
)
from mmer.training.datasets.media import sounding


class WholeClip:
    """AudioBlock and Gap in, one SpeechUpdate at the end of the stream.

    The utterance is the sound without the silence at its ends, as encoders were trained; of a clip
    without sound it lasts from the beginning to the end of what a Gap has told. Lost sound in
    between is filled with zeros.
    """

    _until: float

    def __init__(self) -> None:
        self.reset()

    def push(self, message: Message) -> Sequence[SpeechUpdate]:
        """Keep the sound."""
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
        """The one utterance."""
        samples = np.concatenate([np.zeros(0, np.int16), *self._blocks])
        t0, t1 = 0.0, self._until
        if len(samples):
            kept = sounding(samples)
            samples = samples[kept]
            t0, t1 = (self._t0 + edge / SAMPLE_RATE for edge in (kept.start, kept.stop))
        return (SpeechUpdate(1, t0, t1, SpeechState.ENDED, samples, decided=self._until),)

    def reset(self) -> None:
        """Forget the clip."""
        self._blocks: list[NDArray[np.int16]] = []
        self._n = 0
        self._t0 = 0.0
        self._until = 0.0

    def _keep(self, samples: NDArray[np.int16]) -> None:
        self._blocks.append(samples)
        self._n += len(samples)


class GoldWords:
    """A stand-in for the recognizer: SpeechUpdate in, the words of the corpus out."""

    def __init__(self) -> None:
        self.text = ""

    def push(self, message: Message) -> Sequence[Transcript]:
        """The words, at the end of the utterance."""
        if not isinstance(message, SpeechUpdate) or message.state is not SpeechState.ENDED:
            return ()
        span = (message.t0, message.t1)
        return (Transcript(message.utterance, *span, self.text, False, "gold", style="written"),)

    def flush(self) -> Sequence[Transcript]:
        """Nothing is held back."""
        return ()

    def reset(self) -> None:
        """Nothing to forget."""
