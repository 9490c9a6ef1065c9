"""So many streams at once: start the processes, let them play, gather what they did."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.throughput.plan import StreamPlan, StreamResult, WorkerPlan, WorkerResult
from mmer.benchmarks.throughput.settings import ThroughputSettings
from mmer.models.errors import MmerError

SPREAD_S: Final = 4.0
"""Within so much time all streams begin; the golden ratio spreads them evenly, however many."""
GOLDEN: Final = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Step:
    """What so many streams at once did; results in the order of the clips that they played."""

    clips: Sequence[AnnotatedClip]  # one a stream
    streams: Sequence[StreamResult]
    cpu_s: float
    memory_mb: float
    workers: Sequence[WorkerResult] = ()

    @property
    def seconds(self) -> float:
        """How long each stream lasts."""
        return self.clips[0].seconds


def share_out(clips: Sequence[AnnotatedClip], processes: int) -> list[list[int]]:
    """Which streams (by number) go to which process: one after the other, none left empty."""
    count = min(processes, len(clips))
    return [list(range(first, len(clips), count)) for first in range(count)]


def start_s(number: int) -> float:
    """When a stream begins: no two in step."""
    return SPREAD_S * (number * GOLDEN % 1.0)


def play(clips: Sequence[AnnotatedClip], settings: ThroughputSettings) -> Step:
    """Play every clip at the world's pace, all at once.

    Raises:
        MmerError: a process failed, with what it said.
    """
    shares = share_out(clips, settings.processes)
    results: dict[int, StreamResult] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = []
        for number, share in enumerate(shares):
            plan = WorkerPlan(
                streams=[StreamPlan(str(clips[i].path), start_s(i)) for i in share],
                asr=settings.asr,
                detector=settings.detector,
                provider=settings.provider,
                weights=None if settings.weights is None else str(settings.weights),
                memory_at_s=SPREAD_S + clips[0].seconds / 2,
                folder=str(folder),
            )
            workers.append(stack.enter_context(_Worker(plan, folder / f"{number}.json")))
        for worker in workers:
            worker.wait_until_ready()
        for worker in workers:
            worker.go()
        found = [worker.result() for worker in workers]
    for share, result in zip(shares, found, strict=True):
        results |= dict(zip(share, result.streams, strict=True))
    return Step(
        clips=clips,
        streams=[results[i] for i in range(len(clips))],
        cpu_s=sum(result.cpu_s for result in found),
        memory_mb=sum(result.memory_mb for result in found),
        workers=found,
    )


class _Worker:
    """A worker process; it ends with the ``with``, whatever happens."""

    def __init__(self, plan: WorkerPlan, path: Path) -> None:
        self._plan, self._path = plan, path

    def __enter__(self) -> _Worker:
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        command = ("-m", "mmer.benchmarks.throughput.worker", self._plan.to_json(), self._path)
        self._child = subprocess.Popen(
            (sys.executable, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.poll() is None:
            self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()
        self._child.wait()
        self._errors.close()

    def wait_until_ready(self) -> None:
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != b"ready":
            raise self._failure()

    def go(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(b"go\n")
        self._child.stdin.flush()

    def result(self) -> WorkerResult:
        if self._child.wait():
            raise self._failure()
        return WorkerResult.load(self._path)

    def _failure(self) -> MmerError:
        status = self._child.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()
        if status == 2:
            return MmerError(said)
        return MmerError(f"a worker of mmer-bench throughput failed (status {status})\n{said}")
