"""A clip in real time through the live session, in a process of its own.

So nothing of the benchmark counts as the recognizer's memory or holds its interpreter. The loop is
that of `mmer-live`: the same session, the same JSON lines to a file; each note is made after its
line was written.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmer.benchmarks.harness.process import Watched, has_content, watch
from mmer.benchmarks.harness.trace import EventNotes, Note, R, Recording, note_to, read_recording
from mmer.models.command import run_command
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import Health, Message, SessionEnd
from mmer.realtime.own_process import own_environment
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.sink import SessionInfo
from mmer.realtime.stage_times import StageTime


def write_events(
    events: Iterable[Message],
    info: SessionInfo,
    clock: SessionClock,
    output: Path,
    note: Note,
    times: deque[StageTime] | None = None,
) -> None:
    """Write a session's JSON lines to ``output``, and note when; ``times`` fill beside it."""
    sink, notes = JsonLines(str(output)), EventNotes(note)
    end: SessionEnd | None = None
    note("models", dict(info.models))
    note("provider", dict(info.provider))
    sink.open(info)
    for event in events:
        if isinstance(event, SessionEnd):
            end = event
            continue
        sink.write(event, clock.now())
        notes.add(event, clock.now())
        if times and isinstance(event, Health):
            note_all(times, note)
    if times:
        note_all(times, note)
    if end is not None:
        note("drops", dict(end.drops))
    sink.close(end)


def note_all(times: deque[StageTime], note: Note) -> None:
    """Note the stages' times that have come so far; threads may add more meanwhile."""
    for _ in range(len(times)):
        note("stages", times.popleft())


def play(
    recognizer: Recognizer, output: Path, notes: Path, times: deque[StageTime] | None = None
) -> None:
    """Run a recognizer to the end of its source; write its lines and the notes."""
    with recognizer, notes.open("w", encoding="utf-8") as file:
        clock = recognizer.clock
        assert clock is not None  # the pace is real
        events = recognizer.events(
            delivery=Delivery.LOSSLESS, stage_times=None if times is None else times.append
        )
        write_events(events, recognizer.info, clock, output, note_to(file), times)


def record_session(options: Mapping[str, Any]) -> tuple[Recording, Watched]:
    """Play in a process of its own, with the ``options`` of `mmer.Recognizer`.

    Raises:
        MmerError: it failed, with what it wrote on standard error.
    """
    return record(__name__, (json.dumps(options),), Recording(), env=own_environment())


def record(
    module: str,
    arguments: Sequence[str],
    recording: R,
    interruptible: bool = False,
    env: Mapping[str, str] | None = None,
) -> tuple[R, Watched]:
    """Run ``python -m MODULE *ARGUMENTS OUTPUT NOTES``; what it notes goes into ``recording``.

    Its start-up is over with its first line in OUTPUT. ``interruptible``: Ctrl-C ends it in order.

    Raises:
        MmerError: it failed, with what it wrote on standard error.
        KeyboardInterrupt: Ctrl-C came during its start-up.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, notes = Path(folder) / "lines.jsonl", Path(folder) / "notes.jsonl"
        command = (sys.executable, "-m", module, *arguments, str(output), str(notes))
        watched = watch(command, partial(has_content, output), interruptible, env=env)
        if watched.interrupted and watched.ready_s is None:
            raise KeyboardInterrupt
        return read_recording(notes, recording), watched


def main() -> None:
    """Run as ``python -m ... OPTIONS OUTPUT NOTES``, the options as JSON."""
    options, output, notes = sys.argv[1:]
    times: deque[StageTime] = deque()
    play(Recognizer(**json.loads(options)), Path(output), Path(notes), times)


if __name__ == "__main__":
    run_command("session", main)
