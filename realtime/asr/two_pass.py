"""Two passes: an online engine's partial hypotheses, a better engine's final one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.asr.interface import AsrModel, AsrStream, Hypothesis, Sheddable


class TwoPassModel:
    """``first`` writes while the person speaks, ``second`` once an utterance is over."""

    def __init__(self, first: AsrModel, second: AsrModel) -> None:
        self._first, self._second = first, second
        self.name = second.name
        self.trust = second.trust
        self.description = f"{second.description}, partials by {first.description}"

    def stream(self) -> TwoPassStream:
        return TwoPassStream(self._first.stream(), self._second.stream())


class TwoPassStream:
    """One caller's streams of both engines.

    The second engine gets the sound at pauses and at the end alone: it decodes nothing in between.
    """

    def __init__(self, first: AsrStream, second: AsrStream) -> None:
        self._first, self._second = first, second
        self._waiting: list[NDArray[np.int16]] = []  # sound that the second pass has not had

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        hypothesis = self._first.accept(samples)
        self._waiting.append(samples)
        return self._second.accept(self._take_waiting(), pause) if pause else hypothesis

    def finish(self) -> Hypothesis:
        self._first.finish()
        self._second.accept(self._take_waiting(), pause=True)  # the end is a pause, too
        return self._second.finish()

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        for stream in (self._first, self._second):
            if isinstance(stream, Sheddable):
                stream.ask_first(wanted, late)

    def reset(self) -> None:
        self._waiting = []
        try:
            self._first.reset()
        finally:  # an engine that has died raises: the other keeps no sound of this utterance
            self._second.reset()

    def _take_waiting(self) -> NDArray[np.int16]:
        sound = np.concatenate([np.empty(0, np.int16), *self._waiting])
        self._waiting = []
        return sound
