"""Main loop of `mmer-live`: run a recognizer and write its events to the sinks."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from mmer.models.errors import MmerError
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import SessionEnd
from mmer.realtime.options import Options
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.output import ReaderGone, stdout_closed
from mmer.realtime.sinks.registry import DEFAULT, make_output, parse_output
from mmer.realtime.sinks.sink import Sink
from mmer.realtime.sinks.window import PictureWindow


@dataclass(frozen=True)
class Views:
    """Outputs and views of the results."""

    output: str | None = None  # a file of JSON lines, "-", or NAME:ADDRESS of an output
    overlay: Path | None = None  # annotated MP4
    window: bool = False
    quiet: bool = False
    lines_only: bool = False  # one line an utterance, no panel


def show(options: Options, views: Views) -> int:
    """Recognize until the source ends or Ctrl-C; the exit status. Raises MmerError."""
    # first: a wrong path or no display fails at once
    outputs, terminal = make_sinks(options, views)
    recognizer = Recognizer(**vars(options))
    clock = recognizer.clock
    end: SessionEnd | None = None
    windows = [sink for sink in outputs if isinstance(sink, PictureWindow)]
    frames = bool(windows) or views.overlay is not None

    opened: list[Sink] = []
    lost: Exception | None = None

    def close_first() -> None:
        """Close all sinks in their order: the panel goes before the summary stands."""
        if opened:
            try:
                opened.pop(0).close(end)  # as it stands by then: None after an error
            finally:
                close_first()

    with suppress(ReaderGone), ExitStack() as leaving:
        leaving.callback(recognizer.close)
        recognizer.prepare()
        events = recognizer.events(delivery=Delivery.LOSSLESS, pictures=frames)
        leaving.callback(events.close)
        leaving.callback(close_first)
        for sink in (*outputs, *terminal):
            sink.open(recognizer.info)
            opened.append(sink)
        with stopped_by_signals(recognizer):
            for event in events:
                if isinstance(event, SessionEnd):
                    end = event
                    continue
                now = None if clock is None else clock.now()
                for sink in list(opened):
                    try:
                        sink.write(event, now)
                    except (ReaderGone, MmerError, OSError) as problem:
                        # losing the view for people does not end the file for programs
                        if sink not in terminal or not outputs:
                            raise
                        opened.remove(sink)
                        with suppress(ReaderGone, MmerError, OSError):
                            sink.close(None)
                        lost = lost or problem
                if any(window.wants_stop for window in windows):
                    recognizer.stop()
        leaving.close()
        if lost is not None:  # said last: the file is whole by now
            raise lost
    return 0


def make_sinks(options: Options, views: Views) -> tuple[list[Sink], list[Sink]]:
    """The outputs that ``views`` ask for, and the views on the terminal, which may be lost.

    Raises MmerError where one cannot be.
    """
    sinks: list[Sink] = []
    output = None if views.output is None else parse_output(views.output)
    file = Path(output[1]).absolute() if output is not None and output[0] == DEFAULT else None
    if file is not None and views.overlay is not None and file == views.overlay.absolute():
        raise MmerError(f"--output and --overlay both name {views.overlay}: choose two files")
    if views.window:
        from mmer.realtime.display import display_problem

        if problem := display_problem():
            raise MmerError(f"--window: {problem}")
        sinks.append(PictureWindow())
    if output is not None:
        sinks.append(make_output(*output))
    if views.overlay is not None:
        from mmer.realtime.sinks.overlay_video import OverlayVideo

        sinks.append(OverlayVideo(views.overlay, str(options.source or "")))
    if views.quiet:
        return sinks, []
    if stdout_closed() and not sinks:
        raise MmerError("standard output is closed: name a file with --output")
    # standard output belongs to the JSON lines when they go there, else to people
    stream = sys.stderr if output == (DEFAULT, "-") else sys.stdout
    return sinks, _terminal_sinks(options, views, stream)


def _terminal_sinks(options: Options, views: Views, stream: TextIO) -> list[Sink]:
    from mmer.realtime.sinks.panel import LivePanel
    from mmer.realtime.sinks.plain import PlainLines
    from mmer.realtime.sinks.progress import Progress
    from mmer.realtime.sinks.summary import Summary

    sinks: list[Sink] = []
    if options.pace == "max":
        sinks.append(Progress())
    if options.pace == "real" and not views.lines_only and stream.isatty() and sys.stderr.isatty():
        sinks.append(LivePanel())
    else:
        sinks.append(PlainLines(stream, changes=not views.lines_only))
    sinks.append(Summary())
    return sinks


@contextmanager
def stopped_by_signals(recognizer: Recognizer) -> Iterator[None]:
    """Ctrl-C, SIGTERM or SIGHUP stops the recognizer cleanly; a second one interrupts it."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        recognizer.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # the terminal closes; nohup has it ignored
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        stopping.append(hangup)
    before = {number: signal.signal(number, handle) for number in stopping}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
