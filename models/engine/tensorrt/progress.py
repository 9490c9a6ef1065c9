"""Progress of a plan build, and its interruption by Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

Report: TypeAlias = Callable[[str, float], None]
"""Told what TensorRT is at, and which part of that is done, 0 to 1."""


def new_monitor(trt: Any, report: Report) -> Any:
    """TensorRT's ``IProgressMonitor`` around ``report``; ``stop`` ends the build at its next step.

    Only phases without a parent are told: what lies inside them changes with every version.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped = False
            self._steps: dict[str, int] = {}
            self._lock = threading.Lock()  # TensorRT calls from several threads

        def stop(self) -> None:
            self.stopped = True

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                with self._lock:
                    self._steps[phase_name] = num_steps
                report(phase_name, 0.0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                steps = self._steps.get(phase_name)
            if steps:
                report(phase_name, (step + 1) / steps)
            return not self.stopped

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                outermost = self._steps.pop(phase_name, None)
            if outermost is not None:
                report(phase_name, 1.0)

    return Monitor()


@contextmanager
def interrupt_calls(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls ``stop`` meanwhile: an exception must not pass through TensorRT's own code."""
    if threading.current_thread() is not threading.main_thread():
        yield  # it arrives in the main thread alone
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def terminal_progress(title: str) -> Iterator[Report]:
    """A bar on standard error where that is a terminal, else a line that says what is done."""
    if not sys.stderr.isatty():
        print(f"mmer: {title}: this takes minutes, once", file=sys.stderr)
        yield lambda phase, done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda phase, done: bar.update(task, description=f"{title}: {phase}", completed=done)
