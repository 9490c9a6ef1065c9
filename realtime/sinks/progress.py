"""Progress bar for a file in replay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich import progress
from rich.console import Console

from mmer.realtime.messages import Message, SessionEnd
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.state import event_time, source_name
from mmer.realtime.sinks.text import one_line, shortened


class Progress(Sink):
    """Event times against the file's length; only on a terminal (default: standard error).

    Not on a dumb one (TERM=dumb), which cannot take back what was drawn. Who prints on the same
    terminal does so within ``aside``.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._bar: progress.Progress | None = None
        self._task: progress.TaskID | None = None
        self._drawn = 0.0
        self._t = 0.0

    def open(self, info: SessionInfo) -> None:
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.completed:.1f} s"),
            progress.TimeRemainingColumn(),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,  # JSON lines may be going there
        )
        name = shortened(one_line(Path(source_name(info.source)).name), 30)
        self._task = self._bar.add_task(name, total=info.duration_s)
        self._t = 0.0
        self._bar.start()

    def write(self, event: Message, now: float | None) -> None:
        self._t = max(self._t, event_time(event))
        if self._bar is None or self._task is None or time.monotonic() - self._drawn < 0.2:
            return
        self._drawn = time.monotonic()
        self._bar.update(self._task, completed=self._t, refresh=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while something is printed, and draw it again below."""
        if self._bar is None:
            yield
            return
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def close(self, end: SessionEnd | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
