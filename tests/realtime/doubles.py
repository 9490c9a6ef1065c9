"""Simple blocks and sources for tests of the runners: no model, no device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from mmer.realtime.clock import Clock
from mmer.realtime.messages import (
    AudioBlock,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Message,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
    VideoFrame,
)

UNIFORM = np.full(7, np.log(1 / 7), np.float32)


def sound(seconds: float, start: float = 0.0, block_s: float = 0.02) -> list[AudioBlock]:
    n = round(block_s * 16000)
    return [
        AudioBlock(start + i * block_s, np.full(n, i, np.int16))
        for i in range(round(seconds / block_s))
    ]


def pictures(seconds: float, fps: float = 20.0) -> list[VideoFrame]:
    return [
        VideoFrame(i / fps, np.full((8, 8, 3), i % 256, np.uint8))
        for i in range(round(seconds * fps))
    ]


def in_order(*streams: Iterable[Message]) -> list[Message]:
    def when(message: Message) -> float:
        return message.t1 if isinstance(message, AudioBlock) else message.t  # type: ignore[union-attr]

    return sorted((m for s in streams for m in s), key=when)


class ListSource:
    """Yields given messages; ``live`` ones are stamped as they are, without waiting."""

    def __init__(self, messages: Iterable[Message], live: bool = False, name: str = "list") -> None:
        self.name = name
        self.live = live
        self._messages = messages
        self._stopped = threading.Event()
        self.closed = False

    @property
    def streams(self) -> frozenset:
        return frozenset({"audio", "video"})

    @property
    def duration_s(self) -> float | None:
        return None

    def open(self, clock: Clock) -> None: ...

    def messages(self) -> Iterator[Message]:
        for message in self._messages:
            if self._stopped.is_set():
                return
            yield message

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.closed = True


class PerBlock:
    """A block made of one function; ``slow_s`` of work a message, ``tail`` at the end."""

    def __init__(
        self,
        function: Callable[[Message], Sequence[Message]],
        tail: Sequence[Message] = (),
        slow_s: float = 0.0,
    ) -> None:
        self._function = function
        self._tail = tail
        self._slow_s = slow_s
        self.seen: list[Message] = []

    def push(self, message: Message) -> Sequence[Message]:
        self.seen.append(message)
        if self._slow_s:
            time.sleep(self._slow_s)
        return self._function(message)

    def flush(self) -> Sequence[Message]:
        return self._tail

    def reset(self) -> None:
        self.seen.clear()


def speak(message: Message) -> list[Message]:
    """Voice activity that hears an endless utterance, one update a block."""
    if not isinstance(message, AudioBlock):
        return []
    return [
        SpeechUpdate(1, message.t0, message.t1, SpeechState.ONGOING, message.samples, message.t1)
    ]


def spell(message: Message) -> list[Message]:
    """A recognizer that finishes every utterance and says nothing before."""
    if isinstance(message, SpeechUpdate) and message.state is SpeechState.ENDED:
        return [Transcript(message.utterance, message.t0, message.t1, "so", False, "test")]
    return []


def classify_speech(message: Message) -> list[Message]:
    assert isinstance(message, SpeechUpdate)
    partial = message.state is not SpeechState.ENDED
    return [Evidence("speech", message.t0, message.t1, UNIFORM, 1.0, partial, message.utterance)]


def classify_text(message: Message) -> list[Message]:
    assert isinstance(message, Transcript)
    return [
        Evidence("text", message.t0, message.t1, UNIFORM, 1.0, message.partial, message.utterance)
    ]


def look(message: Message) -> list[Message]:
    assert isinstance(message, VideoFrame)
    return [FaceObservation(message.t, None, None, None, None, 0.0, "no face")]


def nothing(message: Message) -> list[Message]:
    return []


def answer(message: Message) -> list[Message]:
    """A fusion that answers every tick with "neutral" and every final speech with "joy"."""
    if isinstance(message, Tick):
        return [estimate(message.t, "neutral")]
    if isinstance(message, Evidence) and message.modality == "speech" and not message.partial:
        return [estimate(message.t1, "joy", final=True)]
    return []


def estimate(t: float, label: str, final: bool = False) -> EmotionEstimate:
    return EmotionEstimate(
        t=t,
        window=(t - 4, t),
        label=label,
        probs=np.full(7, 1 / 7, np.float32),
        confidence=1 / 7,
        modalities=dict.fromkeys(("speech", "text", "face")),
        why={},
        final=final,
        utterance=1 if final else None,
    )
