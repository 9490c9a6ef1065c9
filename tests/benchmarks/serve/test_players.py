"""Clients under measurement: each picture gives one delay, however its lines are rounded."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from mmer.benchmarks.serve.players import Material, Player
from mmer.realtime.messages import Contribution, EmotionEstimate
from mmer.realtime.serve.lines import Event, event_of
from mmer.realtime.sinks.jsonl import encoded, line_for

PROBS = np.full(7, 1 / 7, np.float32)
PICTURES = [1.0 + 0.1 * k for k in range(60)]


class Lines:
    """A session that gives what a client reads of ``estimates``, each as it is written."""

    def __init__(self, estimates: list[EmotionEstimate]) -> None:
        self._estimates = estimates
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def __iter__(self) -> Iterator[Event]:
        for estimate in self._estimates:
            self._now = estimate.t
            line = line_for(estimate, estimate.t)
            assert line is not None
            event = event_of(json.loads(encoded(line)))
            assert event is not None
            yield event


def estimate(t: float, picture: float) -> EmotionEstimate:
    face = Contribution("joy", 1.0, picture, t - picture, PROBS)
    why = {"speech": "silence", "text": "silence"}
    return EmotionEstimate(t, (0.0, t), "joy", PROBS, 0.2, {"face": face}, why, False)


def delays_ms(estimates: list[EmotionEstimate]) -> list[float]:
    player = Player("", Material(1.0, [], []), 1.0, 0.0)
    lines: Any = Lines(estimates)
    player._read(lines)
    return player.played.delays_ms


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_counts_once_at_its_first_estimate(seed: int) -> None:
    rng = random.Random(seed)
    pictures = [t + rng.uniform(0.0, 0.01) for t in PICTURES]
    lines = []
    for picture in pictures:
        later = sorted(rng.uniform(0.03, 0.09) for _ in range(3))
        lines += [estimate(picture + late, picture) for late in (0.02, *later)]
    found = delays_ms(lines)
    assert found == pytest.approx([20.0] * len(pictures), abs=1.1)


def test_a_face_that_has_left_gives_no_delays() -> None:
    for k in range(20):
        left = 7.0 + 0.0137 * k
        found = delays_ms([estimate(left + 0.03 + 0.0417 * n, left) for n in range(50)])
        assert found == pytest.approx([30.0], abs=1.1)
