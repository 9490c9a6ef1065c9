"""The session's one clock: seconds since its start, monotonic, with the UTC of second 0."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """Seconds since the session's start; never goes back."""

    def now(self) -> float:
        """The present, in seconds."""
        ...


class SessionClock:
    """The real clock: second 0 is when it was made. ``utc`` is the wall time of second 0."""

    def __init__(self) -> None:
        self.origin = time.monotonic()  # what time.monotonic() read at second 0
        self.utc = datetime.now(timezone.utc)

    def restart(self) -> None:
        """Make this moment second 0; only before anything was stamped."""
        self.origin = time.monotonic()
        self.utc = datetime.now(timezone.utc)

    def now(self) -> float:
        """Seconds since the session's start."""
        return time.monotonic() - self.origin


class ManualClock:
    """A clock that stands still until it is told the time: for replay and for tests."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def now(self) -> float:
        """The time last set."""
        return self._now

    def set(self, now: float) -> None:
        """Move to ``now`` seconds; going back is refused."""
        if now < self._now:
            raise ValueError(f"the clock cannot go back from {self._now} to {now}")
        self._now = now
