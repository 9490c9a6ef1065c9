"""Time and memory of a command in a fresh process, children included."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final

from mmer.benchmarks.harness.machine import load_psutil
from mmer.models.errors import MmerError
from mmer.realtime.own_process import MMER_LIVE

POLL_S: Final = 0.05
SAMPLE_EVERY_S: Final = 1.0
OFTEN_S: Final = 0.2  # in the first seconds, when the most happens
OFTEN_UNTIL_S: Final = 3.0
MEGA: Final = 2**20


@dataclass(frozen=True)
class Sample:
    """A process and its children at one moment, together."""

    t: float  # seconds since its start
    mb: float  # resident; pages that two of them share count twice
    cpu_s: float  # so far, of those that have ended as well
    threads: int
    handles: int  # open files and sockets


@dataclass(frozen=True)
class Watched:
    """A process and its children, from its start to its end."""

    wall_s: float
    ready_s: float | None  # from its start until ``ready`` was true
    cpu_s: float  # user and system time of all threads
    peak_mb: float  # the most they ever held (on Linux the sum of the kernel's VmHWM)
    samples: tuple[Sample, ...] = ()  # once a second
    ready_cpu_s: float = 0.0  # of ``cpu_s``, what was spent when ``ready`` became true
    children_cpu_s: float = 0.0  # of ``cpu_s``, spent by other processes than the first
    interrupted: bool = False  # the user ended it by Ctrl-C

    @property
    def memory(self) -> list[tuple[float, float]]:
        """Seconds since the start, and resident MB."""
        return [(sample.t, sample.mb) for sample in self.samples]

    @property
    def cpu_per_second(self) -> list[float]:
        """Processor time by second of the run, from ``ready`` on."""
        ready = self.ready_s or 0.0
        after = [s for s in self.samples if s.t >= ready]
        return [(b.cpu_s - a.cpu_s) / (b.t - a.t) for a, b in pairwise(after)]


def watch(
    command: Sequence[str],
    ready: Callable[[], bool] | None = None,
    interruptible: bool = False,
    *,
    env: Mapping[str, str] | None = None,
    seconds: float = math.inf,
) -> Watched:
    """Run ``command`` to its end; ``ready`` tells when its start-up is over (asked 20 times/s).

    MB are of 2^20 bytes. ``interruptible``: Ctrl-C ends the process in order, and the
    samples until then are returned. ``seconds`` after its start-up it is interrupted, too.
    Raises MmerError with its standard error if it failed.
    """
    interrupted = False
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        spent_before = children_cpu_s()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=env
        )
        tree = _Tree(child.pid, began)
        ready_s, ready_cpu_s = None, 0.0
        try:
            while not _ended(child):
                if ready is not None and ready_s is None and ready():
                    ready_s, ready_cpu_s = time.perf_counter() - began, tree.sample()
                tree.sample_if_due()
                if ready_s is not None and time.perf_counter() - began - ready_s >= seconds:
                    break
        except KeyboardInterrupt:
            if not interruptible:
                raise
            interrupted = True
        finally:
            _end(child)
        wall_s = time.perf_counter() - began
        if child.returncode and not interrupted:
            raise _failure(command, child.returncode, errors)
    cpu_s = max(tree.cpu_s, children_cpu_s() - spent_before)
    return Watched(
        wall_s=wall_s,
        ready_s=ready_s,
        cpu_s=cpu_s,
        peak_mb=tree.peak_mb,
        samples=tuple(tree.samples),
        ready_cpu_s=ready_cpu_s,
        children_cpu_s=tree.children_cpu_s,
        interrupted=interrupted,
    )


class _Tree:
    """A process with all its descendants; none of its figures goes down when one of them ends."""

    def __init__(self, pid: int, began: float) -> None:
        self._psutil = load_psutil()
        self._pid = pid
        self._began = began
        self._spent: dict[int, float] = {}  # by process, seconds of CPU
        self.samples: list[Sample] = []
        self.peak_mb = 0.0

    @property
    def cpu_s(self) -> float:
        return sum(self._spent.values())

    @property
    def children_cpu_s(self) -> float:
        return self.cpu_s - self._spent.get(self._pid, 0.0)

    def sample_if_due(self) -> None:
        at = time.perf_counter() - self._began
        every = OFTEN_S if at < OFTEN_UNTIL_S else SAMPLE_EVERY_S
        if not self.samples or at >= self.samples[-1].t + every:
            self.sample()

    def sample(self) -> float:
        """Take a sample; the seconds of CPU until now."""
        at = time.perf_counter() - self._began
        resident = peak = 0.0
        threads = handles = 0
        for process in self._alive():
            try:
                with process.oneshot():
                    mb = process.memory_info().rss / MEGA
                    self._spent[process.pid] = sum(process.cpu_times()[:2])
                    threads += process.num_threads()
                    handles += process.num_fds() if hasattr(process, "num_fds") else 0
            except self._psutil.Error:  # it has just ended
                continue
            resident += mb
            peak += max(mb, _high_water_mb(process.pid))
        self.peak_mb = max(self.peak_mb, peak)
        if resident:
            self.samples.append(Sample(at, resident, self.cpu_s, threads, handles))
        return self.cpu_s

    def _alive(self) -> list[Any]:
        try:
            process = self._psutil.Process(self._pid)
            return [process, *process.children(recursive=True)]
        except self._psutil.Error:
            return []


def threads_and_files() -> tuple[int, int]:
    """Threads and open files (on Windows handles) of this process."""
    process = load_psutil().Process()
    files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return process.num_threads(), files


def children_cpu_s() -> float:
    """Processor time of all processes that this one has started and waited for; 0 on Windows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


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


def has_content(path: Path) -> bool:
    """Whether a file exists and is not empty."""
    return path.exists() and path.stat().st_size > 0


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
    output = errors.read().decode("utf-8", "replace").strip()[-2000:]
    shown = " ".join(["mmer-live", *command[len(MMER_LIVE) :]])
    if tuple(command[: len(MMER_LIVE)]) != MMER_LIVE:
        shown = " ".join(command)
    return MmerError(f"{shown}: {what} (status {status})\n{output}")
