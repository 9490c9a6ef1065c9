"""The session's one clock: seconds since its start, monotonic, with the UTC of second 0."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """Seconds since the session's start; goes back only when ``starts`` counts up."""

    starts: int

    def now(self) -> float:
        """The present, in seconds."""


class SessionClock:
    """The real clock: second 0 is when it was made or last restarted; ``utc`` is its wall time.

    ``rate`` makes it run so many times as fast as real time, for recordings: the session's threads
    stay as they are. Devices need rate 1.
    """

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate
        self.starts = 0
        self.restart()

    def restart(self) -> None:
        """Make this moment second 0; earlier stamps become invalid."""
        self.origin = time.monotonic()
        self.utc = datetime.now(timezone.utc)
        self.starts += 1

    def now(self) -> float:
        """Seconds since the session's start."""
        return (time.monotonic() - self.origin) * self.rate

    def wait_s(self, until: float) -> float:
        """Real seconds until this clock shows ``until``; 0 if past."""
        return max(0.0, (until - self.now()) / self.rate)


class ManualClock:
    """Clock that stands still until it is set: for replay and for tests."""

    def __init__(self, now: float = 0.0) -> None:
        self.starts = 1
        self._now = now

    def now(self) -> float:
        """The time last set."""
        return self._now

    def set(self, now: float) -> None:
        """Move to ``now`` seconds; going back is refused."""
        if now < self._now:
            raise ValueError(f"the clock cannot go back from {self._now} to {now}")
        self._now = now
