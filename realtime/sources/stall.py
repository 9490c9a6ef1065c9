"""Sound after a stall of its arrivals: a burst of late sound, or new sound after a pause."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mmer.realtime.sources.adc_time import LOST_S, Arrival
from mmer.realtime.sources.capture import Buffer

STALL_S: Final = 0.5
"""Silence of the arrivals that is looked into, and how long what follows is held for that: the
first packets after an outage of the network come slowly."""

_JITTER_S: Final = 0.04
_PAUSE: Final = "nothing was pushed"


class Stall:
    """Holds sound that arrives after a stall, until it is clear how much is missing before it.

    A burst arrives faster than time passes, for it was captured during the stall; one that fills
    the hole shows that nothing is missing. Sound that comes as time passes is new: there was a
    pause (push-to-talk, a muted participant), and a new run begins, stamped such that no sound is
    later than its arrival.

    Args:
        end: when the sound before ended, in seconds.
    """

    def __init__(self, end: float) -> None:
        self._end = end
        self._held: list[Buffer] = []
        self._start = float("inf")  # of the sound held, at the latest
        self._noted = float("inf")  # the same at ``_since``
        self._since = 0.0  # arrival of the last sound that came faster than time passes
        self.duration_s = 0.0  # of the sound held

    def add(self, buffer: Buffer) -> None:
        """Hold a buffer; they come in order."""
        arrival = buffer.arrival
        self._held.append(buffer)
        self.duration_s += arrival.duration_s
        self._start = min(self._start, arrival.at - self.duration_s)
        if self._start < self._noted - _JITTER_S:
            self._noted, self._since = self._start, arrival.at

    @property
    def missing_s(self) -> float:
        """Seconds of the stall for which no sound has come; 0 where that is within the jitter."""
        missing_s = self._start - self._end
        return missing_s if missing_s > LOST_S else 0.0

    def is_clear(self, now: float) -> bool:
        """Whether the hole is filled, or nothing has come faster than time for ``STALL_S``."""
        return self.missing_s == 0.0 or now - self._since >= STALL_S

    def late(self) -> list[Buffer]:
        """The sound held, as part of the run before."""
        return self._stamped(self._end)

    def new(self) -> list[Buffer]:
        """The sound held, as a run that begins after a pause."""
        first, *rest = self._stamped(self._start)
        return [replace(first, lost=_PAUSE), *rest]

    def _stamped(self, start: float) -> list[Buffer]:
        """The sound held as if it had come when it was captured; not later than it came."""
        end, stamped = start, []
        for buffer in self._held:
            arrival = buffer.arrival
            end += arrival.duration_s
            as_captured = Arrival(min(end, arrival.at), arrival.duration_s)
            stamped.append(replace(buffer, arrival=as_captured))
        return stamped

    @property
    def end(self) -> float:
        """When the sound held ended, by its count, in seconds."""
        return self._start + self.duration_s
