"""Run a command in a fresh process and watch its time and memory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from mmer.benchmarks.machine import load_psutil
from mmer.models.errors import MmerError

POLL_S: Final = 0.05
MEMORY_EVERY_S: Final = 1.0
MEGA: Final = 2**20

MMER_LIVE: Final = (sys.executable, "-c", "from mmer.realtime.cli import main; main()")
"""The installed `mmer-live`, by this very interpreter: what its console script runs."""


@dataclass(frozen=True)
class Watched:
    """A process from its start to its end."""

    wall_s: float
    ready_s: float | None  # from its start until ``ready`` was true
    cpu_s: float  # user and system time of all its threads
    peak_mb: float  # the most memory it ever held (on Linux the kernel's VmHWM)
    memory: tuple[tuple[float, float], ...]  # (seconds since its start, resident MB), once a second


def watch(command: Sequence[str], ready: Callable[[], bool] | None = None) -> Watched:
    """Run ``command`` to its end; ``ready`` tells when its start-up is over (asked 20 times/s).

    MB are of 2^20 bytes. Raises MmerError with what it said on standard error if it failed.
    """
    psutil = load_psutil()
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            process = psutil.Process(child.pid)
            ready_s, cpu_s, peak = None, 0.0, 0.0
            memory: list[tuple[float, float]] = []
            while not _ended(child):
                at = time.perf_counter() - began
                if ready is not None and ready_s is None and ready():
                    ready_s = at
                try:
                    resident = process.memory_info().rss / MEGA
                    peak = max(peak, resident, _high_water_mb(child.pid))
                    cpu_s = max(cpu_s, sum(process.cpu_times()[:2]))
                except psutil.Error:  # it has just ended
                    continue
                if resident and (not memory or at >= memory[-1][0] + MEMORY_EVERY_S):
                    memory.append((at, resident))
            wall_s = time.perf_counter() - began
        finally:
            _end(child)
        if child.returncode:
            raise _failure(command, child.returncode, errors)
    return Watched(wall_s, ready_s, cpu_s, peak, tuple(memory))


def time_to_labels(command: Sequence[str], within_s: float = 60.0) -> tuple[float, float]:
    """Seconds from the process's start to its first emotion line, and to the first with a label.

    ``command`` writes JSON lines on standard output; it is interrupted after the label. Raises
    MmerError if there is none ``within_s`` of its start or by its end.
    """
    first: float | None = None
    labelled: float | None = None
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        assert child.stdout is not None
        too_long = threading.Timer(within_s, child.kill)
        too_long.start()
        try:
            for line in child.stdout:
                at = time.perf_counter() - began
                event: dict[str, Any] = json.loads(line)
                if event["type"] != "emotion":
                    continue
                first = at if first is None else first
                if event["label"] is not None:
                    labelled = at
                    break
        finally:
            too_long.cancel()
            _end(child)
            child.stdout.close()
        if first is None or labelled is None:
            raise _failure(command, child.returncode, errors, "no label came")
    return first, labelled


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """Interrupt it where it still runs, and wait for its end."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _high_water_mb(pid: int) -> float:
    """The most memory that the process ever held, where the kernel keeps count; else 0."""
    status = Path(f"/proc/{pid}/status")
    try:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:  # no Linux, or it has just ended
        return 0.0
    return 0.0


def _failure(
    command: Sequence[str], status: int | None, errors: IO[bytes], what: str = "it failed"
) -> MmerError:
    errors.seek(0)
    said = errors.read().decode("utf-8", "replace").strip()[-2000:]
    shown = " ".join(["mmer-live", *command[len(MMER_LIVE) :]])
    if tuple(command[: len(MMER_LIVE)]) != MMER_LIVE:
        shown = " ".join(command)
    return MmerError(f"{shown}: {what} (status {status})\n{said}")
