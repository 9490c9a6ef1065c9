"""Sweep of faults: every use of every model, recognizer, detector and device fails, one by one.

As SQLite tests itself: the n-th use fails, n = 1, 2, ..., until no fault fires any more, once and
for good. Whatever fails: output in order, each utterance answered exactly once, labels from
evidence alone, and a notice.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest
from doubles import ListSource, PerBlock, in_order, look, pictures
from numpy.typing import NDArray

from mmer.models.fusion import Opinion
from mmer.models.prediction import Prediction
from mmer.realtime.asr.interface import Hypothesis
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.fusion.block import FusionBlock
from mmer.realtime.blocks.fusion.pooling import ProductPool
from mmer.realtime.blocks.speech_detector import FrameActivity
from mmer.realtime.blocks.speech_encoder import SpeechEncoder
from mmer.realtime.blocks.text_encoder import TextEncoder
from mmer.realtime.blocks.transcriber import Transcriber
from mmer.realtime.blocks.vad import Vad
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import (
    AudioBlock,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Message,
    Missing,
    Notice,
    SpeechUpdate,
    Transcript,
)
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.replay import Replay
from mmer.realtime.session import DeviceLost, Session

T = TypeVar("T")
SURE = np.log(np.array([0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05], np.float32))
SECONDS = 4.0
POINTS = ("detect", "speech", "text", "face", "track", "accept", "finish", "fuse")
PREDICTIONS = ("speech", "text", "face", "fuse")


class Injector:
    """Lets the ``n``-th use of ``point`` fail, and those after it where ``for_good``."""

    def __init__(self, point: str = "", n: int = 1, for_good: bool = False, nan: bool = False):
        self.point, self.n, self.for_good, self.nan = point, n, for_good, nan
        self.uses = self.fired = 0

    def use(self, point: str, answer: T, without_numbers: Callable[[], T] | None = None) -> T:
        """``answer``, or the fault."""
        if point != self.point:
            return answer
        self.uses += 1
        if self.uses != self.n and not (self.for_good and self.uses > self.n):
            return answer
        self.fired += 1
        if self.nan and without_numbers is not None:
            return without_numbers()
        raise RuntimeError(f"{point} has failed")


class Model:
    """Speech, text or face model in one."""

    min_s = 0.5
    usable_below = 0.0

    def __init__(self, point: str, faults: Injector) -> None:
        self._point, self._faults = point, faults

    def predict(self, *inputs: object) -> Prediction:
        good = Prediction(SURE, np.ones(3, np.float32))
        bad = Prediction(np.full(7, np.nan, np.float32), good.embedding)
        return self._faults.use(self._point, good, lambda: bad)


class Recognizer:
    """Stream of speech recognition: a word for every 0.3 s."""

    def __init__(self, faults: Injector) -> None:
        self._faults, self._n = faults, 0

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        self._n += len(samples)
        return self._faults.use("accept", Hypothesis("test", "so " * (self._n // 4800)))

    def finish(self) -> Hypothesis:
        final = Hypothesis("test", "so " * max(1, self._n // 4800), confidence=0.9)
        self._n = 0
        return self._faults.use("finish", final)

    def reset(self) -> None:
        self._n = 0


class Loudness:
    """Voice is what is loud."""

    def __init__(self, faults: Injector) -> None:
        self._faults = faults

    def detect(self, frame: NDArray[np.int16]) -> FrameActivity:
        loud = bool(np.abs(frame).max() > 100)
        return self._faults.use("detect", FrameActivity(loud, loud))

    def interrupt(self) -> None: ...

    def reset(self) -> None: ...


class Pool:
    def __init__(self, faults: Injector) -> None:
        self._faults = faults

    def fuse(self, opinions: dict[str, Opinion]) -> Any:
        fused, shares = ProductPool().fuse(opinions)
        return self._faults.use("fuse", (fused, shares), lambda: (fused * np.nan, shares))


def build(faults: Injector) -> Pipeline:
    face = Model("face", faults)

    def track(message: Message) -> list[Message]:
        return faults.use("track", look(message))

    def judge(message: Message) -> list[Message]:
        assert isinstance(message, FaceObservation)
        if message.why != "no face":  # that of a tracker that works
            return [Missing("face", message.t, message.t, message.why, partial=True)]
        log_probs = face.predict().log_probs
        return [Evidence("face", message.t, message.t, log_probs, 1.0, partial=True)]

    blocks: dict[str, Block] = {
        "vad": Vad(detector=Loudness(faults)),
        "asr": Transcriber(Recognizer(faults)),
        "speech": SpeechEncoder(Model("speech", faults)),  # type: ignore[arg-type]
        "text": TextEncoder(Model("text", faults)),  # type: ignore[arg-type]
        "tracker": PerBlock(track),
        "face": PerBlock(judge),
    }
    return Pipeline(FusionBlock(pool=Pool(faults)), **blocks).guarded()


def recording(seconds: float = SECONDS) -> list[Message]:
    """Two utterances, the second of which is still open at the end, and a camera's frames."""
    samples = np.zeros(round(seconds * 16_000), np.int16)
    rng = np.random.default_rng(0)
    for t0, t1 in ((0.5, 1.9), (2.6, seconds)):
        part = samples[round(t0 * 16_000) : round(t1 * 16_000)]
        part[:] = rng.normal(0, 3000, len(part))
    cut = samples.reshape(-1, 320)
    blocks = [AudioBlock(i * 0.02, cut[i]) for i in range(len(cut))]
    return in_order(blocks, pictures(seconds, fps=10.0))


RECORDING = recording()


def replayed(faults: Injector) -> list[Message]:
    return list(Replay(build(faults), ListSource(RECORDING)).events())


def check(events: list[Message]) -> None:
    estimates = [e for e in events if isinstance(e, EmotionEstimate)]
    times = [e.t for e in estimates]
    assert times == sorted(times)
    announced = {e.utterance for e in events if isinstance(e, SpeechUpdate)}
    assert sorted(e.utterance or 0 for e in estimates if e.final) == sorted(announced)
    for e in estimates:
        assert (e.label is None) == (e.probs is None) == (e.confidence is None)
        assert all(c is not None or e.why[m] for m, c in e.modalities.items())
        present = [c for c in e.modalities.values() if c is not None]
        if e.probs is None:
            assert e.why["label"]
        else:
            assert math.isclose(float(e.probs.sum()), 1.0, abs_tol=1e-4)
            assert present
        if present:
            assert math.isclose(sum(c.weight for c in present), 1.0, abs_tol=1e-4)
            assert all(np.isfinite(c.probs).all() for c in present)
    finals = [e.utterance for e in events if isinstance(e, Transcript) and not e.partial]
    assert len(finals) == len(set(finals))


def test_without_a_fault_all_is_there() -> None:
    events = replayed(Injector())
    check(events)
    finals = [e for e in events if isinstance(e, EmotionEstimate) and e.final]
    assert [e.label for e in finals] == ["joy", "joy"]
    assert all(all(e.modalities.values()) for e in finals)
    assert not [e for e in events if isinstance(e, Notice)]


@pytest.mark.parametrize("point", POINTS)
def test_each_injector_injects(point: str) -> None:
    faults = Injector(point)
    replayed(faults)
    assert faults.fired == 1


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize(
    ("point", "nan"), [*((p, False) for p in POINTS), *((p, True) for p in PREDICTIONS)]
)
def test_every_use_fails_in_replay(point: str, nan: bool, for_good: bool) -> None:
    for n in itertools.count(1):
        faults = Injector(point, n, for_good, nan)
        events = replayed(faults)
        if not faults.fired:
            assert n > 1
            return
        check(events)
        notices = [e for e in events if isinstance(e, Notice)]
        assert [notice.level for notice in notices] == ["error"], (n, notices)


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("point", POINTS)
def test_uses_fail_in_a_session(point: str, for_good: bool) -> None:
    before = set(threading.enumerate())
    for n in (1, 2, 7):
        faults = Injector(point, n, for_good)
        session = Session(
            build(faults),
            [ListSource(RECORDING)],
            SessionClock(rate=16.0),
            output=Delivery.LOSSLESS,
        )
        check(list(session.events()))
        assert faults.fired or faults.uses < n  # a busy machine skips frames
        assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("n", [0, 1, 2, 40, 120, 200])
def test_reads_of_a_device_fail_in_a_session(n: int) -> None:
    def messages() -> Iterator[Message]:
        yield from RECORDING[:n]
        raise OSError("the device has gone")

    before = set(threading.enumerate())
    source = ListSource(messages(), live=True, name="device")
    session = Session(build(Injector()), [source], SessionClock(), output=Delivery.LOSSLESS)
    events: list[Message] = []
    with pytest.raises(DeviceLost, match="device stopped"):
        events.extend(session.events())
    assert set(threading.enumerate()) <= before
    check(events)
    assert sum(isinstance(e, Notice) for e in events) == 1
