"""The whole graph with the smallest doubles: real blocks and fusion, no network, no device.

Every call of a double is a use of a boundary of its ``Injector``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from injector import Injector
from synthetic_media import steady, write_media

from mmer.models.prediction import Prediction
from mmer.models.preparation.face_crop import CropGeometry
from mmer.realtime.asr.interface import Hypothesis
from mmer.realtime.blocks.baseline import Baselined
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.clip_collector import ClipCollector
from mmer.realtime.blocks.face_detector import DetectedFace
from mmer.realtime.blocks.face_encoder import FaceEncoder
from mmer.realtime.blocks.face_tracker import FaceTracker
from mmer.realtime.blocks.fusion.block import FusionBlock
from mmer.realtime.blocks.fusion.pooling import ProductPool
from mmer.realtime.blocks.speech_detector import FrameActivity
from mmer.realtime.blocks.speech_encoder import SpeechEncoder
from mmer.realtime.blocks.text_encoder import TextEncoder
from mmer.realtime.blocks.transcriber import Transcriber
from mmer.realtime.blocks.vad import Vad
from mmer.realtime.clock import Clock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Stream, VideoFrame
from mmer.realtime.pipeline import Pipeline

FPS = 10.0
SPOKEN_S = ((0.1, 0.5), (0.95, 1.2))
"""Two utterances; the second is open at the end."""
LENGTH_S = 1.25
SURE = np.log(np.array([0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05], np.float32))
NAN = np.full(7, np.nan, np.float32)


def voice() -> np.ndarray:
    """Sound of the clip, int16 (n,): a tone where somebody speaks, zeros elsewhere."""
    t = np.arange(round(LENGTH_S * SAMPLE_RATE)) / SAMPLE_RATE
    spoken = np.any([(a <= t) & (t < b) for a, b in SPOKEN_S], axis=0)
    return (spoken * 8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)


def picture(seed: int = 0) -> np.ndarray:
    """A frame that is sharp and well lit all over, uint8 (96, 96, 3)."""
    grey = np.random.default_rng(seed).integers(40, 220, (24, 24), np.uint8)
    return np.ascontiguousarray(
        np.repeat(np.kron(grey, np.ones((4, 4), np.uint8))[..., None], 3, 2)
    )


def write_clip(path: Path) -> Path:
    frames = [(t, picture()) for t in steady(LENGTH_S, FPS)]
    sound = voice()[None].astype(np.float32) / 32767
    return write_media(
        path,
        sound,
        SAMPLE_RATE,
        sound_codec="pcm_s16le",
        sound_format="s16",
        frames=frames,
        picture_codec="mpeg4",
    )


class Detector:
    """Speech where the sound is loud; one face in every frame."""

    name = "double"

    def __init__(self, injector: Injector) -> None:
        self.injector = injector


class LoudIsSpeech(Detector):
    def detect(self, frame: np.ndarray) -> FrameActivity:
        self.injector.use("vad")
        loud = bool(np.abs(frame.astype(int)).max() > 1000)
        return FrameActivity(loud, loud)

    def interrupt(self) -> None:
        self.injector.use("vad")

    def reset(self) -> None:
        self.injector.use("vad")


class OneFace(Detector):
    def detect(self, image: np.ndarray, t: float) -> list[DetectedFace]:
        bad = self.injector.use("detector")
        eyes = np.array([[36, 40], [60, 40]], np.float32) * (np.nan if bad else 1)
        return [DetectedFace((24.0, 20.0, 48.0, 60.0), eyes, None, 0.9)]

    def reset(self) -> None:
        self.injector.use("detector")


class SameWords:
    """Stream of a recognizer that has one text for every utterance."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector

    def accept(self, samples: np.ndarray, pause: bool = False) -> Hypothesis:
        self._injector.use("asr")
        return Hypothesis("double", "what a day" if pause else "what a")

    def finish(self) -> Hypothesis:
        bad = self._injector.use("asr")
        return Hypothesis("double", "what a day", confidence=np.nan if bad else 0.9)

    def reset(self) -> None:
        self._injector.use("asr")


class Network:
    """Encoder that is sure of joy."""

    min_s = 0.2
    usable_below = 0.0
    clips = False

    def __init__(self, boundary: str, injector: Injector) -> None:
        self._boundary, self._injector = boundary, injector

    def growing(self) -> None:
        """Nothing is kept."""

    def predict(self, *inputs: object) -> Prediction:
        return Prediction(NAN if self._injector.use(self._boundary) else SURE, None)


class Pool(ProductPool):
    injector: Injector

    def fuse(self, opinions):
        bad = self.injector.use("fusion")
        fused, shares = super().fuse(opinions)
        return (NAN.astype(float) if bad else fused), shares


def small_pool(injector: Injector) -> Pool:
    pool = Pool()
    object.__setattr__(pool, "injector", injector)  # it is frozen
    return pool


def small_graph(injector: Injector, baseline: bool = False, clips: bool = False) -> Pipeline:
    """``baseline``: of the session, behind speech and face; ``clips``: the face is one of clips."""
    speech: Block = SpeechEncoder(Network("speech", injector))
    face: Block = FaceEncoder(Network("face", injector))
    if baseline:
        speech, face = Baselined(speech, "speech"), Baselined(face, "face")
    return Pipeline(
        FusionBlock(pool=small_pool(injector)),
        vad=Vad(detector=LoudIsSpeech(injector)),
        asr=Transcriber(SameWords(injector)),
        speech=speech,
        text=TextEncoder(Network("text", injector)),
        tracker=FaceTracker(OneFace(injector), CropGeometry()),
        clips=ClipCollector(count=4, side=48) if clips else None,
        face=face,
    )


class SteppedClock:
    """A session's clock that stands still until a device steps it."""

    rate = 1.0
    origin = 0.0
    utc = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def __init__(self, injector: Injector) -> None:
        self.starts = 1
        self._injector = injector
        self._now = 0.0

    def restart(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        self._injector.use("clock")
        return self._now

    def step(self, t: float) -> None:
        """Move on to ``t`` seconds, where it is not there yet."""
        self._now = max(self._now, t)

    def wait_s(self, until: float) -> float:
        return 0.0 if self.now() >= until else 0.002


class Device:
    """A live source that delivers the clip's sound or frames and steps the clock as it does."""

    live = True
    duration_s: float | None = LENGTH_S  # it ends in order

    def __init__(self, stream: Stream, injector: Injector) -> None:
        self.name = "microphone" if stream == "audio" else "camera"
        self.streams = frozenset({stream})
        self._injector = injector
        self._stopped = False

    def open(self, clock: Clock) -> None:
        assert isinstance(clock, SteppedClock)
        self._clock = clock
        self._injector.use(f"{self.name} opening")

    def messages(self) -> Iterator[AudioBlock | VideoFrame]:
        sound, size = voice(), 480
        audio = self.name == "microphone"
        period_s = size / SAMPLE_RATE if audio else 1 / FPS
        for i in range(round(LENGTH_S / period_s)):
            time.sleep(period_s / 20)
            if self._stopped:
                return
            self._injector.use(self.name)
            t = i * period_s
            self._clock.step(t + period_s)
            yield AudioBlock(t, sound[i * size :][:size]) if audio else VideoFrame(t, picture())

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None: ...


class Repeated:
    """The clip over and over, in memory: a source for replay."""

    live = False
    name = "the clip, over and over"
    streams: frozenset[Stream] = frozenset({"audio", "video"})

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._stopped = False

    @property
    def duration_s(self) -> float:
        return self._rounds * LENGTH_S

    def open(self, clock: Clock) -> None: ...

    def messages(self) -> Iterator[AudioBlock | VideoFrame]:
        sound, size = voice(), round(SAMPLE_RATE / FPS)
        for n in range(round(self.duration_s * FPS)):
            if self._stopped:
                return
            begin = n * size % len(sound)
            block = np.concatenate((sound, sound))[begin : begin + size]
            yield VideoFrame(n / FPS, picture())
            yield AudioBlock(n / FPS, block)

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None: ...
