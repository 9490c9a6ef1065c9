"""Random interleavings of messages, gaps, flushes and faults: the same invariants as in the sweep.

Seeded: a failure names its seed. In the quick lane there are some seeds, marked slow many more.
"""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Iterator

import numpy as np
import pytest
from injector import Injector
from invariants import check_events
from small_graph import SURE, picture, small_graph

from mmer.realtime.blocks.fusion.block import FusionBlock
from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Evidence,
    FaceObservation,
    Gap,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
    VideoFrame,
)

BOUNDARIES = ("vad", "asr", "speech", "text", "detector", "face", "fusion", "")
IMAGE = picture()
STATE_LIMIT = 200_000
"""Bytes that the fusion may hold."""

seeds = pytest.mark.parametrize(
    "seed", [*range(20), *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 200))]
)


def captured(dice: random.Random) -> Iterator[Message]:
    """What sources and runner may give, in about the order of capture: 8 s of it."""
    t = 0.0  # of the sound
    loud = False
    while t < 8.0:
        what = dice.random()
        if what < 0.6:
            n = dice.choice([1, 100, 320, 480, 2_000])
            loud ^= dice.random() < 0.08
            wave = (8000 * loud * np.sin(np.arange(n))).astype(np.int16)
            start = t + dice.choice([0.0] * 8 + [-0.05, 0.03, 0.5])
            yield AudioBlock(max(0.0, start), wave)
            t = max(0.0, start) + n / SAMPLE_RATE
        elif what < 0.75:
            yield VideoFrame(max(0.0, t + dice.uniform(-0.1, 0.1)), IMAGE)
        elif what < 0.8:
            length_s = dice.choice([0.01, 0.1, 1.0, math.inf])
            yield Gap(dice.choice(["audio", "video"]), t, t + length_s, "lost")
        else:
            yield Tick(t)


@seeds
def test_any_interleaving_through_the_pipeline(seed: int) -> None:
    dice = random.Random(seed)
    injector = Injector()
    pipeline = small_graph(injector).guarded()
    error = dice.choice([None, RuntimeError("CUDA error")])
    injector.arm(dice.choice(BOUNDARIES), dice.randint(1, 30), dice.random() < 0.3, error)
    events: list[Message] = []
    for message in captured(dice):
        events += pipeline.push(message)
        if dice.random() < 0.01:
            events += pipeline.flush()
    events += pipeline.flush()
    check_events(events)


def answers(dice: random.Random, number: int, t0: float) -> Iterator[tuple[float, Message]]:
    """What stages send the fusion of one utterance, and when each arrives: in any order."""
    t1 = t0 + dice.uniform(0.1, 3.0)

    def later() -> float:
        return t1 + dice.choice([0.0, 0.1, 0.6, 5.0, 40.0]) * dice.random()

    samples = np.zeros(1, np.int16)
    for state in (SpeechState.STARTED, SpeechState.ONGOING, SpeechState.ENDED):
        if dice.random() < 0.8:
            hung_s = dice.choice([0.0] * 30 + [5.0, 40.0])
            yield t1 + hung_s, SpeechUpdate(number, t0, t1, state, samples, t1 + 0.3)
    for modality in ("speech", "text"):
        for partial in (True, False, False):
            if dice.random() < 0.3:
                yield later(), Missing(modality, t0, t1, "too short", partial, number)
            elif dice.random() < 0.7:
                quality = dice.choice([0.0, 1e-12, 0.5, 1.0])
                log_probs = SURE + dice.choice([0.0, 5.0])
                if dice.random() < 0.2:
                    log_probs = np.where(SURE < -1, -np.inf, 0.0).astype(np.float32)
                yield later(), Evidence(modality, t0, t1, log_probs, quality, partial, number)
    if dice.random() < 0.5:
        yield later(), Transcript(number, t0, t1, "what", dice.random() < 0.5, "double")


def arriving(dice: random.Random) -> list[Message]:
    """Messages to the fusion in order of arrival, with ticks between."""
    due: list[tuple[float, Message]] = []
    said = 0.0  # updates come from one block, so in their order
    for number in range(1, 25):
        for t, message in answers(dice, number, 2.5 * number):
            if isinstance(message, SpeechUpdate):
                t = said = max(said, t)
            due.append((t, message))
    for _ in range(300):
        t = dice.uniform(0, 60)
        late = t + dice.choice([0.0, 0.2, 10.0])
        kind = dice.random()
        if kind < 0.5:
            due.append((late, Evidence("face", t, t, SURE, dice.random(), True)))
        elif kind < 0.7:
            due.append((late, Missing("face", t, t, "no face", True)))
        elif kind < 0.8:
            due.append((late, FaceObservation(t, None, None, None, None, 0.0, "no face")))
        else:
            end = t + dice.choice([0.1, 3.0, math.inf])
            due.append((late, Gap(dice.choice(["audio", "video"]), t, end, "lost")))
    ticks = [(0.25 * i, Tick(0.25 * i)) for i in range(1, 440) if dice.random() < 0.9]
    return [message for _, message in sorted([*due, *ticks], key=lambda item: item[0])]


@seeds
def test_any_order_of_arrival_at_the_fusion(seed: int) -> None:
    dice = random.Random(seed)
    fusion = FusionBlock()
    events: list[Message] = []
    for i, message in enumerate(arriving(dice)):
        events += [message, *fusion.push(message)]
        if dice.random() < 0.002:
            events += fusion.flush()
        if i % 100 == 99:
            assert len(pickle.dumps(fusion)) < STATE_LIMIT
    events += fusion.flush()
    # ends and final transcripts come from other blocks: here they are as drawn
    check_events([e for e in events if not isinstance(e, Transcript)])
