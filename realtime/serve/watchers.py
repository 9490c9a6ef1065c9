"""Watchers of live sessions: each has a bounded queue of lines, in which the newest win."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from mmer.realtime.messages import Message, SessionEnd
from mmer.realtime.serve.tickets import Part, part_writer
from mmer.realtime.sinks.sink import SessionInfo, Sink

_WAITING: Final = 64  # lines for one watcher, who needs only the newest


class Watchers:
    """Queues of the watchers, by the name that a client gave its session.

    All methods are for the event loop's thread.
    """

    def __init__(self) -> None:
        self._queues: dict[str, set[asyncio.Queue[str]]] = {}

    @contextmanager
    def watching(self, name: str) -> Iterator[asyncio.Queue[str]]:
        """A queue of the lines of all sessions called ``name``, from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue(_WAITING)
        self._queues.setdefault(name, set()).add(queue)
        try:
            yield queue
        finally:
            self._queues[name].discard(queue)
            if not self._queues[name]:
                del self._queues[name]

    def publish(self, name: str, line: str) -> None:
        """Hand a line to the watchers of ``name``; where a queue is full the oldest line goes."""
        for queue in self._queues.get(name, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(line)


class ToWatchers(Sink):
    """A session's lines for its watchers; written in the session's thread."""

    def __init__(self, watchers: Watchers, name: str, part: Part | None = None) -> None:
        self._watchers, self._name = watchers, name
        self._loop = asyncio.get_running_loop()
        self._writer = part_writer(part)

    def open(self, info: SessionInfo) -> None:
        self._publish(self._writer.first(info))

    def write(self, event: Message, now: float | None) -> None:
        self._publish(self._writer.event(event, now))

    def close(self, end: SessionEnd | None) -> None:
        if end is not None:
            self._publish(self._writer.event(end, None))

    def _publish(self, line: bytes | None) -> None:
        if line:
            text = line.rstrip(b"\n").decode("ascii")
            with suppress(RuntimeError):  # the loop has ended, and with it who watched
                self._loop.call_soon_threadsafe(self._watchers.publish, self._name, text)
