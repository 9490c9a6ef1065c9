"""Play a clip at the world's pace to a loop, or to the live session, and note what it answered.

Runs in a process of its own: ``python -m mmer.benchmarks.baselines.play PROGRAM OPTIONS FOLDER``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mmer.benchmarks.baselines.devices import Devices
from mmer.benchmarks.baselines.loops import LOOPS, Display
from mmer.benchmarks.baselines.models import Models
from mmer.benchmarks.harness.trace import Notes, Trace
from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import SessionEnd
from mmer.realtime.own_process import one_opencv_thread
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.jsonl import JsonLines

SESSION: Final = "session"
PROGRAMS: Final = (*LOOPS, SESSION)
TRACE: Final = "trace.json"
READY: Final = "ready"
"""A file that is there once everything is loaded and the clip begins."""


def play_loop(name: str, options: Mapping[str, str], folder: Path) -> Trace:
    """Run a loop to the end of the clip; what it prints goes to a file, as the session's lines."""
    trace = Trace()
    models = Models(options["asr"], options["detector"], options["provider"])
    trace.models, trace.provider = models.names, models.provider
    devices = Devices(Path(options["source"]), SessionClock(), trace)
    with (folder / "printed.txt").open("w", encoding="utf-8") as output:
        devices.start()
        (folder / READY).touch()
        LOOPS[name](devices, models, Display(devices, trace, output))
    devices.close()
    return trace


def play_session(options: Mapping[str, str], folder: Path) -> Trace:
    """Run the live session to the end of the clip, its JSON lines written as `mmer-live` does."""
    one_opencv_thread()  # as mmer-live does
    recognizer = Recognizer(**options, offline=True)  # type: ignore[arg-type]
    clock = recognizer.clock
    assert clock is not None  # the pace is real
    sink, notes = JsonLines(str(folder / "lines.jsonl")), Notes()
    with recognizer:
        events = recognizer.events(delivery=Delivery.LOSSLESS)
        (folder / READY).touch()
        sink.open(recognizer.info)
        for event in events:
            sink.write(event, clock.now())
            notes.take(event, clock.now())
        sink.close(SessionEnd(clock.now(), 0, len(notes.trace.answers), recognizer.drops))
        notes.trace.models = recognizer.info.models
        notes.trace.provider = recognizer.info.provider
    return notes.trace


def main() -> None:
    """``PROGRAM OPTIONS FOLDER``, the options as JSON; writes FOLDER/trace.json."""
    program, options, folder = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    try:
        if program == SESSION:
            trace = play_session(options, folder)
        else:
            trace = play_loop(program, options, folder)
    except MmerError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
    trace.save(folder / TRACE)


if __name__ == "__main__":
    main()
