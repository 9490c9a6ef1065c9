"""Pacing: availability times of captured messages, playing in real time, thinning of frames."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Final, TypeVar

from mmer.realtime.clock import SessionClock
from mmer.realtime.messages import AudioBlock, Gap, Notice, VideoFrame

EVIDENCE_S: Final = 0.125
"""From an estimate to one that new evidence asks for, between the hops: 8 a second."""
EARLY_S: Final = 0.05
"""So much sooner evidence is answered at its arrival, if others were answered later: frames do not
come at multiples of ``EVIDENCE_S``, and one that waits grows old."""

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


class TickTimes:
    """When the live fusion is asked next: at new evidence, 8 times a second, and at the hops.

    Evidence is answered as it arrives, as long as that keeps to the rate on average (the generic
    cell rate algorithm of ITU-T I.371); else with the next, or at ``EARLY_S`` after its turn. A hop
    soon after such a tick waits as long for newer evidence. Times in seconds.
    """

    def __init__(self, hop_s: float) -> None:
        self._hop_s = hop_s
        self._hop = 1  # number of the next
        self._turn = 0.0  # of the next tick, were they evenly spaced
        self.next = hop_s
        """Time of the next tick if no evidence comes."""

    def evidence(self, now: float) -> None:
        """Evidence has arrived."""
        in_time = now >= self._turn - EARLY_S
        self.next = min(self.next, now if in_time else self._turn + EARLY_S)

    def ticked(self, now: float) -> int:
        """The fusion was asked; the number of hops since the last time that had no tick."""
        hop = max(self._hop, math.floor(now / self._hop_s) + 1)
        skipped = max(0, hop - self._hop - 1)
        self._hop = hop
        self._turn = max(self._turn, now) + EVIDENCE_S
        self.next = max(hop * self._hop_s, min(self._turn + EARLY_S, now + self._hop_s))
        return skipped


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
