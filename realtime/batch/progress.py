"""Progress bar of a batch: recordings and bytes done, time left."""

from __future__ import annotations

from collections.abc import Sequence

from rich import progress
from rich.console import Console

from mmer.realtime.batch.inputs import Item
from mmer.realtime.sinks.text import one_line


class BatchProgress:
    """Bar on a terminal (default: standard error), and a line for each recording that failed.

    Time left is by bytes: durations are known only once a file is opened.
    """

    def __init__(self, items: Sequence[Item], done: int, console: Console | None = None) -> None:
        self._console = Console(stderr=True, soft_wrap=True) if console is None else console
        self._done, self._count = done, done + len(items)
        self._sizes = {item.name: item.size for item in items}
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(self._text(), total=max(sum(self._sizes.values()), 1))

    def _text(self) -> str:
        return f"{self._done} of {self._count} recordings"

    def __enter__(self) -> BatchProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def done(self, item: Item, reason: str | None) -> None:
        """One recording is over."""
        self._done += 1
        self._bar.update(self._task, advance=self._sizes[item.name], description=self._text())
        if reason is not None:
            text = f"mmer-batch: {one_line(item.name)}: {one_line(reason)}"
            self._console.print(text, markup=False, highlight=False)
