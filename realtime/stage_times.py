"""Stage times: how long messages wait for each stage of a session, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageTime:
    """One message through one stage; times in seconds.

    ``stage`` is the pipeline's name of it, or "output": the consumer of the events, whose work is
    what it does until it asks for the next. A message of kind "Tick" has waited since it was due.
    """

    stage: str
    kind: str  # class of the message that was taken
    partial: bool  # whether a later one of its kind might have replaced it
    at: float  # on the session's clock, when the work was done
    wait_s: float  # in the mailbox
    work_s: float
    cpu_s: float  # processor time of the thread that did it


Listener = Callable[[StageTime], None]
"""Called in the stages' own threads, once a message: it must be quick."""


class Stopwatch:
    """Measures one piece of work of a stage, from its making to ``done``."""

    def __init__(self, stage: str, message: object, wait_s: float) -> None:
        self._stage = stage
        self._kind = type(message).__name__
        self._partial = bool(getattr(message, "partial", False))
        self._wait_s = wait_s
        self._thread_s = time.thread_time()
        self._began = time.perf_counter()

    def done(self, now: float) -> StageTime:
        """The work is over, at ``now`` on the session's clock."""
        work_s = time.perf_counter() - self._began
        cpu_s = time.thread_time() - self._thread_s
        return StageTime(self._stage, self._kind, self._partial, now, self._wait_s, work_s, cpu_s)
