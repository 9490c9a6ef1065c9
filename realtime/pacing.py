"""Pacing: availability times of captured messages, playing in real time, thinning of frames."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Final, TypeVar

from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import AudioBlock, Gap, Notice, VideoFrame

EVIDENCE_S: Final = 0.125
"""Least time from an estimate to one that new evidence asks for, between the hops."""

Captured = AudioBlock | VideoFrame | Gap | Notice
M = TypeVar("M", bound=Captured)


def captured_at(message: Captured) -> float:
    """Seconds at which the whole of ``message`` had been captured (a gap: when it began)."""
    if isinstance(message, AudioBlock):
        return message.t1
    if isinstance(message, Gap):
        return message.t0
    return message.t


def lost_s(gap: Gap) -> float:
    """Seconds of sound that ``gap`` lost; 0 for video and for a stream that is absent."""
    return gap.t1 - gap.t0 if gap.stream == "audio" and math.isfinite(gap.t1) else 0.0


def paced(messages: Iterator[M], clock: SessionClock, stopped: threading.Event) -> Iterator[M]:
    """Hold every message back until ``clock`` reaches its capture time; end when ``stopped``."""
    for message in messages:
        if stopped.wait(clock.wait_s(captured_at(message))):
            return
        yield message


class Thinning:
    """Thinning of frames by their timestamps to at most ``fps`` a second (None: all).

    A frame is taken when the next one is due, and the schedule then moves on by one period
    rather than by the frame's own time: 30 frames/s asked down to 20 give 20, not 15.
    """

    def __init__(self, fps: float | None) -> None:
        self._period = 1.0 / fps if fps else 0.0
        self._due = 0.0

    def takes(self, t: float) -> bool:
        """Whether the frame captured at ``t`` is wanted."""
        if t < self._due - 0.001:  # containers round timestamps to the millisecond
            return False
        self._due = max(self._due + self._period, t)  # after a pause: one frame's credit, no more
        return True
