"""The session of a soak, in a process of its own (``python -m mmer.benchmarks.soak.play``).

The threads, mailboxes and lines are those of `mmer-live`; the clock alone may run faster than the
world. Ctrl-C ends it as the end of the file does: what is open is finished and noted.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mmer.benchmarks.harness.clip import Span
from mmer.benchmarks.harness.clip_format import FPS
from mmer.benchmarks.harness.media import read_sound
from mmer.benchmarks.harness.play import write_events
from mmer.benchmarks.harness.process import threads_and_files
from mmer.benchmarks.harness.trace import Note, note_to
from mmer.benchmarks.soak.allocator import heaps_mb
from mmer.benchmarks.soak.marks import Onsets, read_number
from mmer.models.command import run_command
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.memory import few_heaps
from mmer.realtime.messages import (
    EmotionEstimate,
    Health,
    Message,
    SessionEnd,
    SpeechState,
    SpeechUpdate,
    VideoFrame,
)
from mmer.realtime.options import Options
from mmer.realtime.prepare import prepare
from mmer.realtime.session import Session

FRAME_EVERY_S: Final = 0.5  # how often a frame's number is read
HEAPS_EVERY_S: Final = 5.0  # of the clip


class Marks:
    """Notes of stamps against the truth, and of what the process holds."""

    def __init__(self, note: Note, onsets: Onsets, seconds: float) -> None:
        self._note = note
        self._onsets = onsets
        self._seconds = seconds
        self._next_frame = 0.0
        self._next_heaps = 0.0

    def noted(self, events: Iterator[Message]) -> Iterator[Message]:
        """The events, each noted once it has been written."""
        for event in events:
            yield event
            self._add(event)

    def _add(self, event: Message) -> None:
        if isinstance(event, VideoFrame) and event.t >= self._next_frame:
            self._next_frame = event.t + FRAME_EVERY_S
            number = read_number(event.image)
            if number is not None:
                within = number / FPS
                rounds = round((event.t - within) / self._seconds)
                self._note("frame_stamps", (within + rounds * self._seconds, event.t))
        elif isinstance(event, Health) and event.t >= self._next_heaps:
            self._next_heaps = event.t + HEAPS_EVERY_S
            if (heaps := heaps_mb()) is not None:
                self._note("heaps", (event.t, *heaps))
        elif isinstance(event, SpeechUpdate) and event.state is SpeechState.ENDED:
            found = self._onsets.find(event.t0, event.samples)
            if found is not None:
                self._note("onset_stamps", found)

    def resources(self, when: str) -> None:
        """Note the threads and open files of this moment."""
        self._note("resources", (when, *threads_and_files()))


def play(settings: Mapping[str, Any], output: Path, notes: Path) -> None:
    """Run the session of ``settings`` to the end of its file, or to Ctrl-C."""
    one_round = Path(settings["clip"])
    truth = json.loads(one_round.with_suffix(".json").read_text(encoding="utf-8"))
    spans = [Span(**span) for span in truth["utterances"]]
    onsets = Onsets(spans, read_sound(one_round), truth["seconds"])
    with notes.open("w", encoding="utf-8") as file:
        note = note_to(file)
        marks = Marks(note, onsets, truth["seconds"])
        marks.resources("begin")
        _session(settings, output, note, marks)
        gc.collect()  # what lies in cycles holds threads and files until then
        marks.resources("closed")


def _session(settings: Mapping[str, Any], output: Path, note: Note, marks: Marks) -> None:
    clock = SessionClock(settings["rate"])
    ready = prepare(Options(**settings["options"]), clock)
    try:
        clock.restart()
        session = Session(
            ready.pipeline, ready.sources, clock, output=Delivery.LOSSLESS, pictures=True
        )
        signal.signal(signal.SIGINT, lambda *_: session.stop())
        events = _with_end(marks.noted(session.events()), session, clock)
        write_events(events, ready.info, clock, output, note)
        note("over", clock.now())
    finally:
        ready.close()


def _with_end(
    events: Iterator[Message], session: Session, clock: SessionClock
) -> Iterator[Message]:
    """The events and the session's end, as `Recognizer.events` yields them."""
    emotions = utterances = 0
    for event in events:
        if isinstance(event, EmotionEstimate):
            emotions += 1
            utterances += event.final
        yield event
    yield SessionEnd(clock.now(), utterances, emotions, session.drops)


def main() -> None:
    """Run as ``python -m ... SETTINGS OUTPUT NOTES``, the settings as JSON."""
    few_heaps()  # as mmer-live
    settings, output, notes = sys.argv[1:]
    play(json.loads(settings), Path(output), Path(notes))


if __name__ == "__main__":
    run_command("session", main)
