"""Figures of anytime accuracy: predictions at given moments of speech, evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.utterances import speech_span
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.item import Item
from mmer.training.evaluation.result import evaluation_of
from mmer.training.metrics.bootstrap import group

MOMENTS: Final[tuple[float | None, ...]] = (0.5, 1.0, 2.0, None)
"""Seconds of speech; None is the end."""
SPEECH_DB: Final = 30.0
"""Range of the speech of a studio recording below its loudest moment."""
PAUSE_S: Final = 1.0
"""Longer than any pause in an acted sentence."""


def studio_span(samples: NDArray[np.int16]) -> tuple[int, int]:
    """First sample of the speech in a studio recording (n,) and one past its last."""
    return speech_span(samples, SPEECH_DB, PAUSE_S)


@dataclass(frozen=True)
class Point:
    """Figures of one line at one moment; fractions, and (low, high) of their 95 % intervals.

    ``t_s`` is None at the end. An item without an answer yet counts as wrong; ``answered`` says how
    many had one, and in how many the person was still ``speaking``.
    """

    t_s: float | None
    n: int
    answered: int
    speaking: int
    floor_accuracy: float
    accuracy: float
    unweighted_recall: float
    interval: Mapping[str, tuple[float, float]]
    resampled_by: str  # "speaker", "dialogue" or "item"


@dataclass(frozen=True)
class Line:
    """One curve."""

    key: str  # its name in the JSON
    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """The curves that are measured on the same items."""

    key: str
    title: str
    data: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


class Answers:
    """Predictions by line, moment and item."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._labels = np.array([item.label for item in items], np.int64)
        self._groups = group(items)
        self._given: dict[tuple[str, float | None], dict[int, NDArray[Any] | None]] = {}
        self._speaking: dict[tuple[str, float | None], int] = {}

    def put(
        self, line: str, row: int, t: float | None, log_probs: NDArray[Any] | None, speaking: bool
    ) -> None:
        """Note the answer (7,) of item ``row`` at ``t``; None: there was none yet."""
        key = (line, t)
        self._given.setdefault(key, {})[row] = log_probs
        self._speaking[key] = self._speaking.get(key, 0) + speaking

    def points(self, line: str) -> tuple[Point, ...]:
        """The figures of ``line`` at every moment."""
        return tuple(self._point((line, t)) for t in MOMENTS)

    def _point(self, key: tuple[str, float | None]) -> Point:
        given = self._given[key]
        log_probs = np.full((len(self._labels), len(EMOTIONS)), -np.inf)
        for row, label in enumerate(self._labels):
            answer = given.get(row)
            if answer is None:
                log_probs[row, (label + 1) % len(EMOTIONS)] = 0.0  # no answer is a wrong one
            else:
                log_probs[row] = answer
        found = evaluation_of(log_probs, self._labels, self._groups)
        return Point(
            t_s=key[1],
            n=len(self._labels),
            answered=sum(given.get(row) is not None for row in range(len(self._labels))),
            speaking=self._speaking[key],
            floor_accuracy=found.figures.floor_accuracy,
            accuracy=found.figures.accuracy,
            unweighted_recall=found.figures.unweighted_recall,
            interval={name: found.interval[name] for name in ("accuracy", "unweighted_recall")},
            resampled_by=self._groups.by,
        )
