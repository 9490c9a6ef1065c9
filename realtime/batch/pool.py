"""Local pool: recordings over processes, each with networks of its own, loaded once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmer.realtime.batch.inputs import Item
from mmer.realtime.batch.recognition import BatchOptions, BatchRecognizer, Stopped, Unreadable
from mmer.realtime.batch.writing import settle, write_lines

Done = Callable[[Item, "str | None"], None]
"""Called with each item that is over, and the reason where it has no lines."""
_WAITING: Final = 2  # items handed out a worker: one in work, one that follows at once
DIED: Final = "the process that decoded it died, twice"
"""The reason of a recording that no process survives."""


def run_pool(
    items: Iterable[Item], options: BatchOptions, folder: Path, workers: int, done: Done
) -> None:
    """Recognize ``items`` in ``workers`` processes, each into its JSON lines below ``folder``.

    A process that dies (a decoder that crashes, no memory left) is replaced; what it may have died
    on is tried once more by itself. Raises MmerError where nothing can go on: models missing, a
    full disk. At any exception, KeyboardInterrupt too, the processes end, and leave no file
    unfinished.
    """
    waiting = iter(items)
    while True:
        with _Pool(options, folder, workers) as pool:
            suspects = pool.run(waiting, workers * _WAITING, done)
        if not suspects:
            return
        again = iter(suspects)
        lost: list[Item] = suspects
        while lost:  # one at a time: the one in work is the one that kills
            with _Pool(options, folder, 1) as pool:
                lost = pool.run(again, 1, done)
            for item in lost:
                done(item, DIED)


class _Pool:
    """Executor whose processes end with this one, and stop in the midst of a recording."""

    def __init__(self, options: BatchOptions, folder: Path, workers: int) -> None:
        context = multiprocessing.get_context("spawn")  # threads run here: a fork could hang
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(
            workers,
            mp_context=context,
            initializer=_begin,
            initargs=(_Plan(options, folder), self._stop),
        )

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, waiting: Iterable[Item], most: int, done: Done) -> list[Item]:
        """Recognize until ``waiting`` is empty; the items in work when a process died, else none.

        ``most`` are handed out at once. Raises MmerError.
        """
        source = iter(waiting)
        given: dict[Future[str | None], Item] = {}
        lost: list[Item] = []
        while True:
            while not lost and len(given) < most and (item := next(source, None)) is not None:
                try:
                    given[self._executor.submit(_recognize, item)] = item
                except BrokenProcessPool:
                    lost.append(item)
            if not given:
                return lost
            for future in wait(given, return_when=FIRST_COMPLETED).done:
                item = given.pop(future)
                try:
                    reason = future.result()
                except BrokenProcessPool:
                    lost.append(item)
                else:
                    done(item, reason)


# --- in the worker -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    options: BatchOptions
    folder: Path


class _Worker:
    """What one worker process keeps between recordings."""

    plan: _Plan
    stop: Any
    recognizer: BatchRecognizer | None = None


def _begin(plan: _Plan, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent says what follows
    _Worker.plan, _Worker.stop = plan, stop
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # killed: nobody is there to take results


def _recognize(item: Item) -> str | None:
    """Write an item's lines; the reason where that cannot be. Raises MmerError to end the batch."""
    if _Worker.recognizer is None:
        _Worker.recognizer = BatchRecognizer(_Worker.plan.options)
        settle(_Worker.plan.folder, _Worker.recognizer.facts)
    lines = _Worker.recognizer.lines(item, _Worker.stop.is_set)
    try:
        write_lines(item.lines_below(_Worker.plan.folder), lines)
    except Unreadable as problem:
        return str(problem)
    except Stopped:
        return None  # nobody reads it
    return None
