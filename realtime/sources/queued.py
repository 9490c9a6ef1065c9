"""Source of messages that a program stamps itself, for replay: a file sent by somebody else."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock
from mmer.realtime.messages import AudioBlock, Gap, Notice, Stream, VideoFrame
from mmer.realtime.pacing import Captured, captured_at
from mmer.realtime.sources.jumps import Jumps
from mmer.realtime.sources.source import Source

_BACK_S: Final = 0.001  # stamps are rounded to the millisecond by some containers


class QueuedSource(Source):
    """Replayed source: what is put comes out unchanged, in order, with its own stamps.

    Time is that of the stamps (``--pace max``): nothing is dropped, and ``put`` blocks while
    ``most`` messages wait. ``AudioBlock`` is 16 kHz mono.

    Args:
        audio: whether there will be sound.
        video: whether there will be frames.
        name: for people, and for the session line.
        most: messages that may wait.
    """

    live = False
    duration_s: float | None = None

    def __init__(
        self, *, audio: bool = True, video: bool = True, name: str = "queued", most: int = 64
    ) -> None:
        if not (audio or video):
            raise MmerError("a QueuedSource without sound and without frames has nothing to give")
        self.name = name
        self._has: dict[Stream, bool] = {"audio": audio, "video": video}
        self._most = most
        self._waiting: deque[AudioBlock | VideoFrame] = deque()
        self._reached = 0.0
        self._over = False
        self._changed = threading.Condition()

    @property
    def streams(self) -> frozenset[Stream]:
        return frozenset(stream for stream, there in self._has.items() if there)

    @property
    def full(self) -> bool:
        """Whether ``put`` would block."""
        return not self._over and len(self._waiting) >= self._most

    def put(self, message: AudioBlock | VideoFrame) -> None:
        """Append a message; blocks while the queue is full, does nothing after the end.

        Raises:
            MmerError: a stamp that is negative, not finite or before one already put; a stream that
                was not announced.
        """
        stream: Stream = "audio" if isinstance(message, AudioBlock) else "video"
        if not self._has[stream]:
            raise MmerError(f"{stream} was not announced")
        t = captured_at(message)
        began = message.t0 if isinstance(message, AudioBlock) else t
        if not (math.isfinite(t) and began >= 0 and t >= self._reached - _BACK_S):
            raise MmerError(f"stamps are in order and not negative: {t!r} after {self._reached:g}")
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self._waiting) < self._most)
            self._reached = max(self._reached, t)
            if not self._over:
                self._waiting.append(message)
                self._changed.notify_all()

    def end(self) -> None:
        """End the stream: what was put is finished. Harmless when repeated."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def open(self, clock: Clock) -> None:
        """Nothing has to be opened."""

    def messages(self) -> Iterator[AudioBlock | VideoFrame | Gap | Notice]:
        for stream, there in self._has.items():
            if not there:
                what = "sound" if stream == "audio" else "picture"
                yield Gap(stream, 0.0, math.inf, f"no {what} in the source")
        jumps = Jumps(self.name)
        while (message := self._next()) is not None:
            yield from jumps.bounded(message)

    def _next(self) -> Captured | None:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._waiting)
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._changed.notify_all()
            return message

    def stop(self) -> None:
        self.end()

    def close(self) -> None:
        self.end()
        self._waiting.clear()
