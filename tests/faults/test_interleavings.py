"""Any interleaving of messages, gaps, flushes and faults: the same invariants as in the sweep.

Hypothesis draws them, and shrinks the one that fails to the shortest that does. Derandomized: the
same examples at every run; in the quick lane few, marked slow many more.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="interleavings need: pip install hypothesis")

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
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

pytestmark = pytest.mark.timeout(900)  # where one fails: shrinking it takes up to 300 s

BOUNDARIES = ("vad", "asr", "speech", "text", "detector", "face", "fusion")
IMAGE = picture()
STATE_LIMIT = 200_000
"""Bytes that the fusion may hold."""


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def hundredths(low: float, high: float) -> st.SearchStrategy[float]:
    """Seconds that shrink to ``low``."""
    return st.integers(round(100 * low), round(100 * high)).map(lambda n: n / 100)


def one_in(n: int) -> st.SearchStrategy[bool]:
    return st.integers(1, n).map(lambda drawn: drawn == n)


# --- the pipeline --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sound:
    """Blocks of ``size`` samples; the first begins ``late_s`` after the sound before it."""

    loud: bool
    blocks: int
    size: int
    late_s: float


@dataclass(frozen=True)
class Frames:
    """``count`` frames, the last of them captured ``early_s`` before the sound before it ended."""

    count: int
    early_s: float


@dataclass(frozen=True)
class Lost:
    stream: str
    seconds: float


@dataclass(frozen=True)
class Hop:
    pass


@dataclass(frozen=True)
class Flush:
    pass


@dataclass(frozen=True)
class Fault:
    boundary: str
    nth: int
    for_good: bool
    raises: bool


CAPTURED = st.lists(
    st.one_of(
        st.builds(
            Sound,
            st.booleans(),
            st.integers(5, 30),
            st.sampled_from([320, 480, 100, 1, 2_000]),
            st.sampled_from([0.0, 0.0, 0.0, 0.03, -0.05, 0.5]),
        ),
        st.builds(Frames, st.integers(1, 6), hundredths(-0.1, 0.1)),
        st.builds(
            Lost, st.sampled_from(["audio", "video"]), st.sampled_from([0.01, 0.1, 1.0, math.inf])
        ),
        st.builds(Hop),
        st.builds(Flush),
    ),
    min_size=6,
    max_size=40,
)
FAULTS = st.builds(
    Fault, st.sampled_from(BOUNDARIES), st.integers(1, 20), st.booleans(), st.booleans()
)


FIRST = (Sound(True, 25, 320, 0.0), Frames(6, 0.0), Sound(False, 25, 320, 0.0), Hop())
"""An utterance and a face, so that every part is in use."""


def messages(captured: list[Any]) -> Iterator[Message | None]:
    """What sources and runner give, in about the order of capture; None is a flush."""
    t = 0.0  # of the sound
    for item in (*FIRST, *captured):
        if isinstance(item, Sound):
            wave = (8000 * item.loud * np.sin(np.arange(item.size))).astype(np.int16)
            t = max(0.0, t + item.late_s)
            for _ in range(item.blocks):
                yield AudioBlock(t, wave)
                t += item.size / SAMPLE_RATE
        elif isinstance(item, Frames):
            for before in range(item.count - 1, -1, -1):
                yield VideoFrame(max(0.0, t - item.early_s - 0.05 * before), IMAGE)
        elif isinstance(item, Lost):
            yield Gap(item.stream, t, t + item.seconds, "lost")
        else:
            yield Tick(t) if isinstance(item, Hop) else None


def check_pipeline(captured: list[Any], fault: Fault) -> None:
    injector = Injector()
    pipeline = small_graph(injector).guarded()
    error = RuntimeError("CUDA error") if fault.raises else None
    injector.arm(fault.boundary, fault.nth, fault.for_good, error)
    events: list[Message] = []
    for message in messages(captured):
        events += pipeline.flush() if message is None else pipeline.push(message)
    events += pipeline.flush()
    event(f"{fault.boundary} {min(injector.fired, 1)}")
    event(f"utterances {any(isinstance(e, SpeechUpdate) for e in events)}")
    check_events(events)


@given(CAPTURED, FAULTS)
@bounded(100)
def test_any_interleaving_through_the_pipeline(captured: list[Any], fault: Fault) -> None:
    check_pipeline(captured, fault)


# --- the fusion ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """An encoder's answer to an utterance, or why there is none, some time after its end."""

    modality: str
    partial: bool
    missing: bool
    quality: float
    certain: bool  # all of the probability is one label's
    after_s: float


@dataclass(frozen=True)
class Spoken:
    """An utterance: what of it arrives, and when."""

    seconds: float
    updates: list[tuple[SpeechState, float]]  # in their order, each with how much later it comes
    answers: list[Answer]
    transcript_after_s: float | None


STATES = (SpeechState.STARTED, SpeechState.ONGOING, SpeechState.ENDED)
AFTER = st.sampled_from([0.0, 0.05, 0.3, 0.6, 3.0, 5.0, 40.0])
ANSWERS = st.builds(
    Answer,
    st.sampled_from(["speech", "text"]),
    st.booleans(),
    one_in(3),
    st.sampled_from([1.0, 0.5, 1e-12, 0.0]),
    one_in(5),
    AFTER,
)
HUNG = st.sampled_from([0.0, 0.0, 0.0, 5.0, 40.0])
UPDATES = st.tuples(*(st.none() | HUNG for _ in range(3))).map(
    lambda hung: [(s, h) for s, h in zip(STATES, hung, strict=True) if h is not None]
)
UTTERANCES = st.lists(
    st.builds(
        Spoken,
        hundredths(0.1, 3.0),
        UPDATES,
        st.lists(ANSWERS, max_size=4),
        st.none() | AFTER,
    ),
    min_size=4,
    max_size=16,
)
SEEN = st.lists(
    st.tuples(
        st.sampled_from(["evidence", "missing", "none", "audio", "video"]),
        hundredths(0.0, 40.0),
        st.sampled_from([0.0, 0.2, 10.0]),  # later
        st.sampled_from([0.1, 3.0, math.inf]),  # length of a gap
    ),
    min_size=10,
    max_size=60,
)


def utterance(number: int, spoken: Spoken) -> Iterator[tuple[float, Message]]:
    """What stages send the fusion of an utterance, and when each arrives."""
    t0 = 2.5 * number
    t1 = t0 + spoken.seconds
    for state, hung_s in spoken.updates:
        update = SpeechUpdate(number, t0, t1, state, np.zeros(1, np.int16), t1 + 0.3)
        yield t1 + hung_s, update
    for answer in spoken.answers:
        at = t1 + answer.after_s
        if answer.missing:
            yield at, Missing(answer.modality, t0, t1, "too short", answer.partial, number)
            continue
        certain = np.where(SURE < -1, -np.inf, 0.0).astype(np.float32)
        log_probs = certain if answer.certain else SURE
        partial, quality = answer.partial, answer.quality
        yield at, Evidence(answer.modality, t0, t1, log_probs, quality, partial, number)
    if spoken.transcript_after_s is not None:
        text = Transcript(number, t0, t1, "what", False, "double")
        yield t1 + spoken.transcript_after_s, text


def seen(kind: str, t: float, length_s: float) -> Message:
    if kind == "evidence":
        return Evidence("face", t, t, SURE, 0.5, True)
    if kind == "missing":
        return Missing("face", t, t, "no face", True)
    if kind == "none":
        return FaceObservation(t, None, None, None, None, 0.0, "no face")
    return Gap(kind, t, t + length_s, "lost")


def check_fusion(
    spoken: list[Spoken], faces: list[tuple[str, float, float, float]], flushed: set[int]
) -> None:
    due: list[tuple[float, Message]] = [(0.5 * i, Tick(0.5 * i)) for i in range(1, 200)]
    said = 0.0  # updates come from one block, so in their order
    for number, one in enumerate(spoken, 1):
        for at, message in utterance(number, one):
            if isinstance(message, SpeechUpdate):
                at = said = max(said, at)
            due.append((at, message))
    due += [(t + late_s, seen(kind, t, length_s)) for kind, t, late_s, length_s in faces]
    fusion = FusionBlock()
    events: list[Message] = []
    for i, (_, message) in enumerate(sorted(due, key=lambda item: item[0])):
        events += [message, *fusion.push(message)]
        if i in flushed:
            events += fusion.flush()
        if i % 100 == 99:
            assert len(pickle.dumps(fusion)) < STATE_LIMIT
    events += fusion.flush()
    # ends and final transcripts come from other blocks: here they are as drawn
    check_events([e for e in events if not isinstance(e, Transcript)], transcribed=False)


FLUSHED = st.sets(st.integers(0, 500), max_size=2)


@given(UTTERANCES, SEEN, FLUSHED)
@bounded(60)
def test_any_order_of_arrival_at_the_fusion(
    spoken: list[Spoken], faces: list[tuple[str, float, float, float]], flushed: set[int]
) -> None:
    check_fusion(spoken, faces, flushed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "drawn"),
    [(check_pipeline, (CAPTURED, FAULTS)), (check_fusion, (UTTERANCES, SEEN, FLUSHED))],
)
def test_many_more(check: Callable[..., None], drawn: tuple[Any, ...]) -> None:
    bounded(250)(given(*drawn)(check))()
