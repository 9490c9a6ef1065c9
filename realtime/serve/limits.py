"""Limits of the server, for one client and for all together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mmer.models.errors import MmerError
from mmer.realtime.serve.protocol import RESUME_S


@dataclass(frozen=True)
class Limits:
    """Times in seconds. Raises MmerError for a wrong value."""

    max_sessions: int = 8
    idle_s: float = 60.0  # without sound, picture or text, a session ends
    longest_s: float = 4 * 3600.0  # of a session
    resume_s: float = RESUME_S  # so long a session waits for its client
    start_s: float = 5.0  # a new socket has so long for its start message
    stall_s: float = 10.0  # a line that is not taken for so long: the client does not read
    finish_s: float = 15.0  # for sessions to finish when the server ends
    pending: int = 64  # sockets that have not started yet
    connections: int = 256
    quiet_s: float = 15.0  # a connection without a request is closed after so long
    jobs: int = 2  # files, and streams in virtual time, at once
    upload_bytes: int = 256 * 1024 * 1024
    upload_s: float = 600.0  # for one upload; 20 s for each of its pieces
    piece_s: float = 20.0
    frame_px: int = 10_000_000  # of a file's video frames: 4K; to decode 8K takes up to 0.8 GB
    job_s: float = 3600.0  # for one file to be analysed
    # of one stream, and twice that at once: packets of 20 ms and 30 pictures a second are 80
    messages_per_s: float = 150.0
    bytes_per_s: float = 4e6

    def __post_init__(self) -> None:
        for option, value, low, high in (
            ("--max-sessions", self.max_sessions, 1, 1000),
            ("--idle-s", self.idle_s, 0.1, 86_400),
            ("--longest-s", self.longest_s, 0.1, 7 * 86_400),
        ):
            if not low <= value <= high:
                raise MmerError(f"{option} is {value:g}: it must lie between {low:g} and {high:g}")


class Bucket:
    """Token bucket: ``rate`` units a second, ``burst`` of them at once."""

    def __init__(
        self, rate: float, burst: float, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._seconds = rate, burst, seconds
        self._left = burst
        self._at = seconds()

    def take(self, units: float) -> float:
        """Use ``units``; the seconds to wait before the next may be used, 0 where none."""
        now = self._seconds()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - units
        self._at = now
        return max(0.0, -self._left / self._rate)
