"""Scenes: who goes where and speaks when, for two to four heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mmer.benchmarks.people.compose import Head, Place, Role, still, way

_OUT: Final = math.nan


@dataclass(frozen=True)
class Scene:
    """A scene: its name, how many heads it needs, and what they do."""

    name: str
    heads: int
    length_s: float
    roles: Callable[[Sequence[Head]], list[Role]]


def _turns(
    heads: Sequence[Head], places: Sequence[Place], rounds: int, first: float = 1.0
) -> list[Role]:
    """Each speaks in turn, with a pause of 1.2 s between."""
    begins: list[list[float]] = [[] for _ in heads]
    t = first
    for _ in range(rounds):
        for index, head in enumerate(heads):
            begins[index].append(t)
            t += len(head.voice) / 16_000 + 1.2
    return [
        Role(head, place, tuple(spoken))
        for head, place, spoken in zip(heads, places, begins, strict=True)
    ]


def _sit(heads: Sequence[Head]) -> list[Role]:
    return _turns(heads, [still(300), still(660, 280)], rounds=2)


def _cross(heads: Sequence[Head]) -> list[Role]:
    """Two who pass each other three times, one in front of the other."""
    there = [(0.0, 200.0), (4.0, 200.0), (6.5, 760.0), (10.0, 760.0), (12.5, 200.0), (16.0, 200.0),
             (18.0, 760.0), (60.0, 760.0)]  # fmt: skip
    left = way(*((t, x, 280.0) for t, x in there))
    right = way(*((t, 960.0 - x, 260.0) for t, x in there))
    return _turns(heads, [left, right], rounds=2)


def _leave(heads: Sequence[Head]) -> list[Role]:
    """Three, of whom one leaves for five seconds and comes back on the other side."""
    gone = way(
        (0.0, 780.0, 270.0), (13.0, 780.0, 270.0), (15.0, 1100.0, 270.0), (15.1, _OUT, 0.0),
        (19.0, _OUT, 0.0), (19.1, -140.0, 290.0), (21.3, 150.0, 290.0), (60.0, 150.0, 290.0),
    )  # fmt: skip
    return _turns(heads, [still(360, 260), still(560, 285), gone], rounds=2)


def _crowd(heads: Sequence[Head]) -> list[Role]:
    """Four: two cross behind two others, and one comes later."""
    walks = way((0.0, 120.0, 180.0), (5.0, 120.0, 180.0), (9.0, 840.0, 180.0), (60.0, 840.0, 180.0))
    comes = way((10.5, -140.0, 190.0), (12.5, 160.0, 190.0), (60.0, 160.0, 190.0))
    return _turns(heads, [walks, comes, still(360, 330), still(610, 340)], rounds=1, first=13.0)


SCENES: Final = (
    Scene("two sit", 2, 20.0, _sit),
    Scene("two cross", 2, 20.0, _cross),
    Scene("three, one leaves", 3, 29.0, _leave),
    Scene("four, two cross", 4, 32.0, _crowd),
)
