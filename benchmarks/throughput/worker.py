"""Worker process of `mmer-bench throughput`: several live sessions on shared networks.

``python -m mmer.benchmarks.throughput.worker PLAN RESULT``: loads, says "ready" on standard output,
waits for a line on standard input, runs every stream to its end, writes RESULT; both are JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmer.benchmarks.harness.machine import load_psutil
from mmer.benchmarks.harness.play import play
from mmer.benchmarks.harness.process import MEGA
from mmer.models.command import run_command
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.shared_models import SharedModels


@dataclass(frozen=True)
class StreamPlan:
    """One stream: what it plays, how long after the start of all, and the file of its notes."""

    clip: str
    start_s: float
    notes: str


@dataclass(frozen=True)
class WorkerPlan:
    """One process: the options that all streams share, its streams, and when to look at memory."""

    asr: str
    detector: str
    provider: str
    weights: str | None
    streams: Sequence[StreamPlan] = ()
    memory_at_s: float = 0.0  # after the start of all

    def to_json(self) -> str:
        """JSON, for the command line of the worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerPlan:
        """The plan that ``to_json`` wrote."""
        table: dict[str, Any] = json.loads(text)
        return cls(**table | {"streams": [StreamPlan(**s) for s in table["streams"]]})


@dataclass(frozen=True)
class WorkerCost:
    """The cost of one process."""

    cpu_s: float  # from the start to the end of all, of its children as well
    memory_mb: float  # resident, of its children as well; MB of 2^20 bytes


class Stream:
    """One session, from loading to its end, its lines written to a file as `mmer-live` does."""

    def __init__(self, plan: StreamPlan, worker: WorkerPlan, models: SharedModels) -> None:
        self._plan = plan
        self._recognizer = Recognizer(
            plan.clip, asr=worker.asr, detector=worker.detector, models=models, offline=True
        )
        self.error: BaseException | None = None

    def prepare(self) -> None:
        """Open the clip, load what is not loaded yet."""
        self._recognizer.prepare()

    def run(self) -> None:
        """Wait for the start, play to the end; ``error`` is there afterwards if it failed."""
        try:
            time.sleep(self._plan.start_s)
            notes = Path(self._plan.notes)
            play(self._recognizer, notes.with_suffix(".jsonl"), notes)
        except BaseException as error:  # noqa: BLE001  raised in the main thread
            self.error = error


def run(plan: WorkerPlan, result: Path) -> None:
    """Load, wait for the start, play every stream; raises what any of them raised."""
    models = SharedModels(plan.weights, plan.provider)
    streams = [Stream(s, plan, models) for s in plan.streams]
    for stream in streams:
        stream.prepare()
    print("ready", flush=True)
    if not sys.stdin.readline():
        return  # who would have read the result is gone
    memory: list[float] = []
    timer = threading.Timer(plan.memory_at_s, lambda: memory.append(resident_mb()))
    timer.start()
    cpu_s = _cpu_s()
    threads = [threading.Thread(target=s.run, name=f"stream-{i}") for i, s in enumerate(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_s = _cpu_s() - cpu_s
    timer.cancel()
    for stream in streams:
        if stream.error is not None:
            raise stream.error
    cost = WorkerCost(cpu_s, memory[0] if memory else resident_mb())
    result.write_text(json.dumps(asdict(cost)), encoding="utf-8")


def resident_mb() -> float:
    """Memory of this process and of its children now."""
    psutil = load_psutil()
    own = psutil.Process()
    total = 0
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return float(total / MEGA)


def _cpu_s() -> float:
    """Processor time so far, of children that have ended as well."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    run_command("stream", lambda: run(WorkerPlan.from_json(sys.argv[1]), Path(sys.argv[2])))
