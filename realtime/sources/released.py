"""What one thread reads from and another releases: never while it is read from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Released:
    """Calls ``release`` once nothing is read any more; libraries crash where it comes amid a read.

    A driver or an address can hang for good: whoever closes waits ``wait_s`` for the read, then
    leaves the release to the reader, should it ever come back.
    """

    def __init__(self, release: Callable[[], None], wait_s: float) -> None:
        self._release, self._wait_s = release, wait_s
        self._busy = threading.Lock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """The body reads."""
        with self._busy:
            try:
                yield
            finally:
                if self._closed:
                    self._release()

    def close(self) -> None:
        """Release now, or when the read is over; may be called again."""
        self._closed = True
        if self._busy.acquire(timeout=self._wait_s):
            try:
                self._release()
            finally:
                self._busy.release()
