"""Play a clip at the world's pace to a loop, or to the live session, and note what it answered.

Runs in a process of its own: ``python -m mmer.benchmarks.against.play PROGRAM OPTIONS FOLDER``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mmer.benchmarks.against.devices import Devices
from mmer.benchmarks.against.loops import LOOPS, Display
from mmer.benchmarks.against.models import Models
from mmer.benchmarks.against.trace import Answer, Seconds, Trace
from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import EmotionEstimate, Evidence, Gap, Message, Missing
from mmer.realtime.own_process import one_opencv_thread
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.sink import SessionEnd

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


class Notes:
    """Turns the session's events into answers: which frame, and which sound, is behind each."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._began: dict[tuple[str, float], float] = {}  # by modality and end of the sound

    def take(self, event: Message, written: float) -> None:
        """An event, and when its line had been written."""
        if isinstance(event, Evidence) and event.modality != "face":
            self._began[event.modality, event.t1] = event.t0
        elif isinstance(event, Evidence | Missing) and event.modality == "face":
            self.trace.frames.append(event.t1)
        elif isinstance(event, Gap) and event.stream == "audio":
            self.trace.lose(event.t0, event.t1)
        elif isinstance(event, EmotionEstimate) and event.newest is not None:
            face = event.modalities["face"]
            self.trace.answers.append(
                Answer(
                    written,
                    None if face is None else face.t,
                    self._sound(event),
                    event.window if event.final else None,
                )
            )

    def _sound(self, event: EmotionEstimate) -> Seconds | None:
        spans = [
            (self._began[name, said.t], said.t)
            for name in ("speech", "text")
            if (said := event.modalities[name]) is not None
        ]
        return max(spans, key=lambda span: span[1], default=None)


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
