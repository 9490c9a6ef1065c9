"""Forward jumps in a file's time: hours without anything become one short gap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mmer.realtime.messages import AudioBlock, Gap, Notice, Stream, VideoFrame
from mmer.realtime.pacing import Captured, captured_at

LONGEST_S: Final = 60.0
"""More than so long without a message of any stream is a jump of the timestamps."""

KEPT_S: Final = 10.0
"""What is left of a jump: longer than any window, so nothing is taken to belong together."""


class Jumps:
    """Moves what comes after a jump back, so that ``KEPT_S`` of it are left.

    Recorders whose clock was set, and streams joined from several days, jump by hours: played as
    they are, a session would wait as long and report nothing thousands of times. A hole of one
    stream alone keeps its length: it is a ``Gap`` without end until the stream goes on.
    """

    def __init__(self, name: str) -> None:
        self.shift_s = 0.0
        """Seconds taken out so far."""
        self._name = name
        self._reached = 0.0
        self._holes: dict[Stream, Gap] = {}

    def bounded(self, message: Captured) -> Iterator[Captured]:
        """The next message of all streams in order of time, moved; a notice at each jump."""
        t = captured_at(message) - self.shift_s
        if t > self._reached + LONGEST_S:
            excess = t - self._reached - KEPT_S
            self.shift_s += excess
            t -= excess
            text = (
                f"{self._name}: its time jumps ahead by {excess + KEPT_S:.0f} s, which is taken as "
                f"a gap of {KEPT_S:g} s"
            )
            yield Notice(self._reached, "warning", "source", text)
        self._reached = max(self._reached, t)
        if isinstance(message, AudioBlock | VideoFrame):
            stream: Stream = "audio" if isinstance(message, AudioBlock) else "video"
            hole = self._holes.pop(stream, None)
            if hole is not None:
                began = message.t0 if isinstance(message, AudioBlock) else message.t
                yield replace(hole, t1=began - self.shift_s)
        yield self._moved(message)

    def _moved(self, message: Captured) -> Captured:
        if isinstance(message, Gap):
            gap = replace(message, t0=message.t0 - self.shift_s, t1=message.t1 - self.shift_s)
            if LONGEST_S < gap.t1 - gap.t0 < math.inf:  # of all streams? the next message says it
                self._holes[gap.stream] = gap
                gap = replace(gap, t1=math.inf)
            return gap
        if not self.shift_s:
            return message
        if isinstance(message, AudioBlock):
            return replace(message, t0=message.t0 - self.shift_s)
        return replace(message, t=message.t - self.shift_s)
