"""Pipe as FFmpeg's input: readable in pieces, so that a stop acts while it is silent."""

from __future__ import annotations

import os
import select
import threading
from typing import Final

_POLL_MS: Final = 100

PIPES_CAN_WAIT: Final = hasattr(select, "poll") and hasattr(os, "O_NONBLOCK")
"""Whether this system can wait for a pipe with a limit; Windows cannot."""


class Pipe:
    """File object of a named pipe, ``/dev/stdin`` or the like; at its end once ``stopped`` is set.

    FFmpeg's own reading of a pipe waits in the system and starts again after a signal, so that
    neither a stop nor Ctrl-C would end it. Raises OSError where it cannot be opened.
    """

    def __init__(self, path: str, stopped: threading.Event) -> None:
        self.name = path
        self._stopped = stopped
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes as soon as there are any; none at the end."""
        while not self._stopped.is_set():
            if self._poll.poll(_POLL_MS):
                try:
                    return os.read(self._descriptor, size)
                except BlockingIOError:  # another reader was faster
                    continue
        return b""

    def close(self) -> None:
        """Close it; harmless when repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
