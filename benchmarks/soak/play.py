"""The session of a soak, in a process of its own (``python -m mmer.benchmarks.soak.play``).

The threads, mailboxes and lines are those of `mmer-live`; the clock alone may run faster than the
world. Ctrl-C ends it as the end of the file does: what is open is finished and noted.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from mmer.benchmarks.harness.clip import Span
from mmer.benchmarks.harness.clip_frames import FPS
from mmer.benchmarks.harness.machine import load_psutil
from mmer.benchmarks.harness.realtime_run import note
from mmer.benchmarks.harness.utterances import read_sound
from mmer.benchmarks.soak.marks import Onsets, read_number
from mmer.models.errors import MmerError
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import (
    EmotionEstimate,
    FaceObservation,
    Message,
    SessionEnd,
    SpeechState,
    SpeechUpdate,
    Transcript,
    VideoFrame,
)
from mmer.realtime.options import Options
from mmer.realtime.own_process import one_opencv_thread
from mmer.realtime.prepare import prepare
from mmer.realtime.session import Session
from mmer.realtime.sinks.jsonl import JsonLines

FRAME_EVERY_S: Final = 0.5  # as often a frame's number is read


class Marks:
    """Notes of stamps against the truth, and of what the process holds."""

    def __init__(self, file: IO[str], onsets: Onsets, seconds: float) -> None:
        self._file = file
        self._onsets = onsets
        self._seconds = seconds
        self._next_frame = 0.0

    def add(self, event: Message) -> None:
        """Note the stamp of a frame or of a sentence's onset."""
        if isinstance(event, VideoFrame) and event.t >= self._next_frame:
            self._next_frame = event.t + FRAME_EVERY_S
            number = read_number(event.image)
            if number is not None:
                within = number / FPS
                rounds = round((event.t - within) / self._seconds)
                self.write("frame", within + rounds * self._seconds, event.t)
        elif isinstance(event, SpeechUpdate) and event.state is SpeechState.ENDED:
            found = self._onsets.find(event.t0, event.samples)
            if found is not None:
                self.write("onset", *found)

    def resources(self, when: str) -> None:
        """Note the threads and open files of this moment."""
        process = load_psutil().Process()
        handles = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
        self.write("resources", when, process.num_threads(), handles)

    def write(self, *what: Any) -> None:
        """One line."""
        self._file.write(json.dumps(what) + "\n")


def play(settings: Mapping[str, Any], output: Path, notes: Path) -> None:
    """Run the session of ``settings`` to the end of its file, or to Ctrl-C."""
    one_round = Path(settings["clip"])
    truth = json.loads(one_round.with_suffix(".json").read_text(encoding="utf-8"))
    spans = [Span(**span) for span in truth["utterances"]]
    onsets = Onsets(spans, read_sound(one_round), truth["seconds"])
    with notes.open("w", encoding="utf-8") as file:
        marks = Marks(file, onsets, truth["seconds"])
        marks.resources("begin")
        _session(settings, output, file, marks)
        gc.collect()  # what lies in cycles holds threads and files until then
        marks.resources("closed")


def _session(settings: Mapping[str, Any], output: Path, file: IO[str], marks: Marks) -> None:
    clock = SessionClock(settings["rate"])
    ready = prepare(Options(**settings["options"]), clock)
    sink = JsonLines(str(output))
    try:
        clock.restart()
        session = Session(
            ready.pipeline, ready.sources, clock, output=Delivery.LOSSLESS, pictures=True
        )
        signal.signal(signal.SIGINT, lambda *_: session.stop())
        emotions = utterances = 0
        sink.open(ready.info)
        for event in session.events():
            if not isinstance(event, VideoFrame):
                sink.write(event, clock.now())
                noted = note(event, clock.now())
                if noted is not None and not isinstance(event, FaceObservation):
                    file.write(json.dumps(noted) + "\n")
            marks.add(event)
            emotions += isinstance(event, EmotionEstimate)
            utterances += isinstance(event, Transcript) and not event.partial
        marks.write("over", clock.now())
        sink.close(SessionEnd(clock.now(), utterances, emotions, session.drops))
    finally:
        ready.close()


def main() -> None:
    """``python -m mmer.benchmarks.soak.play SETTINGS OUTPUT NOTES``, the settings as JSON."""
    settings, output, notes = sys.argv[1:]
    one_opencv_thread()  # as mmer-live does
    try:
        play(json.loads(settings), Path(output), Path(notes))
    except MmerError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
