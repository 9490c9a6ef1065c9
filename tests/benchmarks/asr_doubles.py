"""A speech recognizer that always says the same, for the tests of `mmer-bench asr`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.asr.interface import Hypothesis


class CountingModel:
    """Its text is given, or comes from the sound; it counts what it gets."""

    name = "double"
    description = "a double"
    trust = 1.0

    def __init__(
        self,
        text: str | Callable[[NDArray[np.int16]], str],
        confidence: float | Callable[[NDArray[np.int16]], float] = 1.0,
    ) -> None:
        self._text, self._confidence = text, confidence
        self.pieces: list[int] = []
        self.pauses = 0

    def stream(self) -> CountingStream:
        return CountingStream(self)

    def hypothesis(self, sound: NDArray[np.int16]) -> Hypothesis:
        text = self._text if isinstance(self._text, str) else self._text(sound)
        sure = self._confidence if isinstance(self._confidence, float) else self._confidence(sound)
        return Hypothesis(self.name, text, confidence=sure if text else None)


class CountingStream:
    def __init__(self, model: CountingModel) -> None:
        self._model = model
        self.reset()

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        self._model.pieces += [len(samples)] if len(samples) else []
        self._model.pauses += pause
        self._sound = np.concatenate([self._sound, samples])
        return Hypothesis(self._model.name)

    def finish(self) -> Hypothesis:
        final = self._model.hypothesis(self._sound)
        self.reset()
        return final

    def reset(self) -> None:
        self._sound = np.empty(0, np.int16)
