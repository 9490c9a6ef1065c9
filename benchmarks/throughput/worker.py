"""One process with several live sessions on shared networks.

``python -m mmer.benchmarks.throughput.worker PLAN RESULT``: loads, says "ready" on standard output,
waits for a line on standard input, runs every stream to its end, writes RESULT.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from mmer.benchmarks.harness.machine import load_psutil
from mmer.benchmarks.harness.trace import Notes, Trace
from mmer.benchmarks.throughput.plan import StreamPlan, StreamResult, WorkerPlan, WorkerResult
from mmer.models.errors import MmerError
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import SessionEnd
from mmer.realtime.own_process import one_opencv_thread
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sinks.jsonl import JsonLines

MEGA = 2**20


class Stream:
    """One session, from loading to its end, its lines written to a file as `mmer-live` does."""

    def __init__(self, plan: StreamPlan, worker: WorkerPlan, models: SharedModels, number: int):
        self._start_s = plan.start_s
        self.recognizer = Recognizer(
            plan.clip, asr=worker.asr, detector=worker.detector, models=models, offline=True
        )
        self._output = Path(worker.folder) / f"{os.getpid()}-{number}.jsonl"
        self.result: StreamResult | None = None
        self.error: BaseException | None = None

    def prepare(self) -> None:
        """Open the clip, load what is not loaded yet."""
        self.recognizer.prepare()

    def run(self) -> None:
        """Wait for the start, play to the end; ``result`` or ``error`` is there afterwards."""
        try:
            time.sleep(self._start_s)
            self.result = self._play()
        except BaseException as error:  # noqa: BLE001  raised in the main thread
            self.error = error

    def _play(self) -> StreamResult:
        clock = self.recognizer.clock
        assert clock is not None  # the pace is real
        sink, notes = JsonLines(str(self._output)), Notes()
        with self.recognizer:
            events = self.recognizer.events(delivery=Delivery.LOSSLESS)
            sink.open(self.recognizer.info)
            for event in events:
                sink.write(event, clock.now())
                notes.take(event, clock.now())
            drops = self.recognizer.drops
            sink.close(SessionEnd(clock.now(), 0, len(notes.trace.answers), drops))
        return result_of(notes.trace, drops)


def result_of(trace: Trace, drops: dict[str, int]) -> StreamResult:
    """What is kept of a stream's trace."""
    answers = trace.answers
    return StreamResult(
        faces=[(a.frame, a.written) for a in answers if a.frame is not None],
        finals=[(*a.utterance, a.written) for a in answers if a.utterance is not None],
        frames=len(set(trace.frames)),
        drops=drops,
    )


def run(plan: WorkerPlan, result: Path) -> None:
    """Load, wait for the word, play every stream; raises what any of them raised."""
    one_opencv_thread()  # as mmer-live does
    models = SharedModels(plan.weights, plan.provider)
    streams = [Stream(s, plan, models, number) for number, s in enumerate(plan.streams)]
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
    info = streams[0].recognizer.info
    WorkerResult(
        streams=[s.result for s in streams if s.result is not None],
        cpu_s=cpu_s,
        memory_mb=memory[0] if memory else resident_mb(),
        models=info.models,
        used=info.provider,
    ).save(result)


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


def main() -> None:
    """``PLAN RESULT``: status 2 with one message for a user's mistake."""
    try:
        run(WorkerPlan.from_json(sys.argv[1]), Path(sys.argv[2]))
    except MmerError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
