"""One step of `mmer-bench throughput`: so many streams at once, in worker processes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mmer.benchmarks.harness.clip import AnnotatedClip
from mmer.benchmarks.harness.trace import Recording, read_recording
from mmer.benchmarks.throughput.worker import StreamPlan, WorkerCost, WorkerPlan
from mmer.models.errors import MmerError
from mmer.realtime.own_process import own_environment

SPREAD_S: Final = 4.0
"""Within so much time all streams begin; the golden ratio spreads them evenly, however many."""
GOLDEN: Final = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Step:
    """Recordings of so many streams at once, in the order of the clips, and their cost."""

    clips: Sequence[AnnotatedClip]  # one a stream
    streams: Sequence[Recording]
    cpu_s: float
    memory_mb: float

    @property
    def seconds(self) -> float:
        """Length of each stream."""
        return self.clips[0].seconds


def share_out(clips: Sequence[AnnotatedClip], processes: int) -> list[list[int]]:
    """Numbers of the streams of each process: dealt in turn, none left empty."""
    count = min(processes, len(clips))
    return [list(range(first, len(clips), count)) for first in range(count)]


def start_s(number: int) -> float:
    """Start of a stream: no two in step."""
    return SPREAD_S * (number * GOLDEN % 1.0)


def play(clips: Sequence[AnnotatedClip], processes: int, plan: WorkerPlan) -> Step:
    """Play every clip in real time, all at once; ``plan`` has the sessions' options.

    Raises:
        MmerError: a process failed, with what it wrote on standard error.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        notes = [folder / f"{i}.notes" for i in range(len(clips))]
        workers = []
        for number, share in enumerate(share_out(clips, processes)):
            mine = replace(
                plan,
                streams=[StreamPlan(str(clips[i].path), start_s(i), str(notes[i])) for i in share],
                memory_at_s=SPREAD_S + clips[0].seconds / 2,
            )
            workers.append(_Worker(mine, folder / f"{number}.json", stack))
        for worker in workers:
            worker.wait_until_ready()
        for worker in workers:
            worker.go()
        costs = [worker.result() for worker in workers]
        streams = [read_recording(path, Recording()) for path in notes]
    return Step(
        clips=clips,
        streams=streams,
        cpu_s=sum(cost.cpu_s for cost in costs),
        memory_mb=sum(cost.memory_mb for cost in costs),
    )


class _Worker:
    """A worker process; it ends with the ``stack``, whatever happens."""

    def __init__(self, plan: WorkerPlan, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._errors = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  (it is closed)
        command = ("-m", "mmer.benchmarks.throughput.worker", plan.to_json(), str(path))
        child = stack.enter_context(
            subprocess.Popen(
                (sys.executable, *command),
                env=own_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        )
        self._child = child
        stack.callback(child.kill)
        assert child.stdin is not None
        assert child.stdout is not None
        self._stdin, self._stdout = child.stdin, child.stdout

    def wait_until_ready(self) -> None:
        if self._stdout.readline().strip() != b"ready":
            raise self._failure()

    def go(self) -> None:
        self._stdin.write(b"go\n")
        self._stdin.flush()

    def result(self) -> WorkerCost:
        if self._child.wait():
            raise self._failure()
        return WorkerCost(**json.loads(self._path.read_text(encoding="utf-8")))

    def _failure(self) -> MmerError:
        status = self._child.wait()
        self._errors.seek(0)
        output = self._errors.read().decode("utf-8", "replace").strip()
        if status == 2:
            return MmerError(output)
        return MmerError(f"a worker of mmer-bench throughput failed (status {status})\n{output}")
