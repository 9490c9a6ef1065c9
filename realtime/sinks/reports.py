"""Reports of a sink that works in a thread of its own: lines for the user, collected and taken."""

from __future__ import annotations

import threading


class Reports:
    """Lines that any thread may add, and the session takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[str] = []

    def add(self, text: str) -> None:
        """Add a line."""
        with self._lock:
            self._lines.append(text)

    def take(self) -> list[str]:
        """The lines since the last call."""
        with self._lock:
            lines, self._lines = self._lines, []
        return lines
