"""Speaker of an utterance: the person whose mouth moves, and moves with the voice."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE, SpeechUpdate

NOBODY: Final = 0
"""Person of a voice to which no mouth moves."""

_KEPT: Final = 2000  # frames of a person: an utterance of 20 s at 100 frames a second
_FEWEST: Final = 6  # frames within an utterance
_LEVEL_S: Final = 0.05
_FLOOR: Final = 30.0  # of the sound's level, in sample values
_LAGS_S: Final = (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1)  # of the picture behind the sound
_STILL: Final = 0.0015  # mean motion of a mouth that is at rest
_BASE: Final = 0.1  # what motion counts without correlation


class Mouths:
    """Motion of everybody's mouth over the last seconds."""

    def __init__(self) -> None:
        self._motion: dict[int, deque[tuple[float, float]]] = {}

    def add(self, person: int, t: float, motion: float) -> None:
        """Add the motion of one mouth between the frame before and that of time ``t``."""
        self._motion.setdefault(person, deque(maxlen=_KEPT)).append((t, motion))

    def forget(self, person: int) -> None:
        """Forget somebody who has left."""
        self._motion.pop(person, None)

    def scores(self, update: SpeechUpdate) -> dict[int, float]:
        """By person, how well the mouth fits the sound of ``update``: 0 or more.

        Mean motion within the utterance, without its largest tenth, times the correlation of motion
        and level of the sound at the lag where they fit best.
        """
        levels = _levels(update.samples)
        found = {}
        for person, motion in self._motion.items():
            inside = np.array([(t, m) for t, m in motion if update.t0 <= t <= update.t1])
            if len(inside) < _FEWEST or len(levels) < 2:
                continue
            times, values = inside.T
            amount = float(np.minimum(values, np.percentile(values, 90)).mean())
            if amount < _STILL:
                continue
            smooth = np.convolve(values, np.full(3, 1 / 3), "same")
            fits = max(
                _correlation(smooth, _at(levels, times + lag - update.t0)) for lag in _LAGS_S
            )
            found[person] = amount * (_BASE + max(0.0, fits))
        return found


def _levels(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Logarithm of the sound's level, one value each ``_LEVEL_S``."""
    size = round(_LEVEL_S * SAMPLE_RATE)
    whole = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
    levels: NDArray[np.float64] = np.log(np.sqrt(np.square(whole).mean(axis=1)) + _FLOOR)
    return levels


def _at(levels: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = levels[
        np.clip((seconds / _LEVEL_S).astype(int), 0, len(levels) - 1)
    ]
    return found


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
