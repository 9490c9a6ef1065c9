"""Main loop of `mmer-live`: run a recognizer and write its events to the sinks."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from mmer.models.errors import MmerError
from mmer.realtime.mailbox import Delivery
from mmer.realtime.messages import SessionEnd
from mmer.realtime.options import Options
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.sinks.asked import check_outputs
from mmer.realtime.sinks.output import ReaderGone, stdout_closed
from mmer.realtime.sinks.outputs import Outputs
from mmer.realtime.sinks.registry import OUTPUTS, Settings, Target, make_output
from mmer.realtime.sinks.sink import Sink
from mmer.realtime.sinks.window import PictureWindow

_APART_S: Final = 1.0
"""Signals closer together than this are one."""


@dataclass(frozen=True)
class Views:
    """Outputs and views of the results."""

    outputs: tuple[Target, ...] = ()  # names in the registry, with addresses
    settings: Settings = field(default_factory=dict)  # of the outputs, by name
    overlay: Path | None = None  # annotated MP4
    window: bool = False
    quiet: bool = False
    lines_only: bool = False  # one line an utterance, no panel
    config: Path | None = None  # the file of settings that was read

    def check(self, options: Options) -> None:
        """Raise MmerError for outputs that cannot be: see ``check_outputs``."""
        files = {} if self.overlay is None else {"--overlay": self.overlay}
        check_outputs(options, self.outputs, files, self.config)


def show(options: Options, views: Views) -> int:
    """Recognize until the source ends or Ctrl-C; the exit status. Raises MmerError."""
    # first: a wrong path or no display fails at once
    sinks, terminal = make_sinks(options, views)
    recognizer = Recognizer(**vars(options))
    clock = recognizer.clock
    end: SessionEnd | None = None
    windows = [sink for sink in sinks if isinstance(sink, PictureWindow)]
    frames = bool(windows) or views.overlay is not None

    with suppress(ReaderGone), ExitStack() as leaving:
        signals = leaving.enter_context(StopSignals(recognizer))  # until everything is closed
        on_terminal = sinks + terminal if _uses_stdout(views) else terminal
        outputs = Outputs(
            sinks,
            terminal,
            lambda sink, problem: sink in on_terminal and signals.is_hang_up(problem),
        )
        leaving.callback(recognizer.close)
        prepare_in_thread(recognizer)
        events = recognizer.events(delivery=Delivery.LOSSLESS, pictures=frames)
        leaving.callback(events.close)
        leaving.callback(lambda: outputs.close(end))  # as it stands by then: None after an error
        outputs.open(recognizer.info)
        signals.started()
        for event in events:
            if isinstance(event, SessionEnd):
                end = event
                continue
            outputs.write(event, None if clock is None else clock.now())
            if any(window.wants_stop for window in windows):
                recognizer.stop()
        leaving.close()
        for text in outputs.last_words():
            print(f"mmer-live: {text}", file=sys.stderr)
        if outputs.lost is not None:  # said last: the files are whole by now
            raise outputs.lost
    return 0


def make_sinks(options: Options, views: Views) -> tuple[list[Sink], list[Sink]]:
    """The outputs that ``views`` ask for, and the views on the terminal, which may be lost.

    Raises MmerError where one cannot be.
    """
    views.check(options)
    sinks: list[Sink] = []
    if views.window:
        from mmer.realtime.display import display_problem

        if problem := display_problem():
            raise MmerError(f"--window: {problem}")
        sinks.append(PictureWindow())
    for name, address in views.outputs:
        sinks.append(make_output(name, address, views.settings.get(name)))
    if views.overlay is not None:
        from mmer.realtime.sinks.overlay_video import OverlayVideo

        sinks.append(OverlayVideo(views.overlay, str(options.source or "")))
    if views.quiet:
        return sinks, []
    if stdout_closed() and not sinks:
        raise MmerError("standard output is closed: name a file with --output")
    # standard output belongs to an output that goes there, else to people
    stream = sys.stderr if _uses_stdout(views) else sys.stdout
    return sinks, _terminal_sinks(options, views, stream)


def _uses_stdout(views: Views) -> bool:
    """Whether an output goes to standard output."""
    return any(OUTPUTS[name].writes_file and address == "-" for name, address in views.outputs)


def _terminal_sinks(options: Options, views: Views, stream: TextIO) -> list[Sink]:
    from mmer.realtime.sinks.panel import LivePanel
    from mmer.realtime.sinks.plain import PlainLines
    from mmer.realtime.sinks.progress import Progress
    from mmer.realtime.sinks.summary import Summary

    sinks: list[Sink] = []
    progress = Progress()
    if options.pace == "max":
        sinks.append(progress)
    terminals = stream.isatty() and sys.stderr.isatty()
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")  # a panel cannot be redrawn
    if options.pace == "real" and not views.lines_only and terminals and not dumb:
        sinks.append(LivePanel())
    else:
        aside = progress.aside if stream.isatty() else nullcontext
        sinks.append(PlainLines(stream, changes=not views.lines_only, aside=aside))
    sinks.append(Summary())
    return sinks


def prepare_in_thread(recognizer: Recognizer) -> None:
    """``recognizer.prepare()``, with the main thread free for Ctrl-C.

    Python runs no signal handler while the main thread is in a native call, such as FFmpeg's that
    opens an address for up to ten seconds.
    """
    failed: list[BaseException] = []

    def work() -> None:
        try:
            recognizer.prepare()
        except BaseException as error:  # noqa: BLE001  raised in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=work, name="prepare", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if failed:
        raise failed[0]


class StopSignals:
    """Ctrl-C, SIGTERM and SIGHUP: the first stops the recognizer cleanly, a second interrupts it.

    A second one counts from a second after the first: ``timeout`` and closing terminals send two
    within milliseconds. Before ``started`` is called there is nothing to finish, so the first
    one interrupts. After one, those that come when all is closed are ignored: the process is about
    to end. Outside the main thread, where Python delivers no signals, it does nothing.

    What is written to a terminal that has hung up goes nowhere: it is no error.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._started = False
        self._first: float | None = None  # on the monotonic clock
        self._before: dict[int, Any] = {}
        self._terminals = [fd for fd in (1, 2) if os.isatty(fd)]  # as long as they are there

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            stopping = [signal.SIGINT, signal.SIGTERM]
            hangup = getattr(signal, "SIGHUP", None)  # the terminal closes; nohup has it ignored
            if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
                stopping.append(hangup)
            self._before = {number: signal.signal(number, self._handle) for number in stopping}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            # the second of two that came together may still be on its way
            signal.signal(number, handler if self._first is None else signal.SIG_IGN)

    def started(self) -> None:
        """Note that the session runs: from now on a signal lets it finish what is open."""
        self._started = True

    def is_hang_up(self, problem: Exception) -> bool:
        """Whether ``problem``, of writing to the terminal, came from its end; SIGHUP may follow."""
        error = problem if isinstance(problem, OSError) else problem.__cause__
        if not isinstance(error, OSError) or error.errno != errno.EIO or not self._terminals:
            return False
        self._forget_terminals()
        return True

    def _forget_terminals(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in self._terminals:
            os.dup2(null, descriptor)
        os.close(null)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == getattr(signal, "SIGHUP", None):
            self._forget_terminals()
        if self._first is None:
            self._first = now
            self._recognizer.stop()
            if not self._started:
                raise KeyboardInterrupt
        elif now - self._first >= _APART_S:
            raise KeyboardInterrupt
