"""Plain lines sink: a log for people where there is no terminal."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TextIO

from mmer.realtime.messages import EmotionEstimate, Gap, Message, Notice, Transcript
from mmer.realtime.sinks.output import print_line
from mmer.realtime.sinks.sink import Sink
from mmer.realtime.sinks.state import modality_labels
from mmer.realtime.sinks.text import one_line

KEPT_TEXTS: Final = 16
"""Utterances whose transcripts are kept for a final label that comes later."""

_INDENT: Final = " " * 13  # below what follows the time


class PlainLines(Sink):
    """One line for each utterance, and one when the label changes in between::

          4.12-6.40  joy 0.71  (speech joy 0.40, words joy 0.40, face -)  "what a wonderful day"
               7.25  neutral 0.55  (speech -, words -, face neutral 1.00)
               9.00  warning: microphone: lost 0.120 s

    ``changes=False`` leaves out the changes in between; those come at most every
    ``change_every_s`` seconds of the session's time. On a terminal a notice is wrapped between
    words. Each line is printed within ``aside``, which takes a progress bar away meanwhile. Raises
    ReaderGone when the pipe is closed.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        changes: bool = True,
        change_every_s: float = 1.0,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._aside = aside
        self._changes = changes
        self._change_every_s = change_every_s
        self._texts: dict[int, str] = {}
        self._label: dict[int | None, str | None] = {}  # by person
        self._changed: dict[int | None, float] = {}

    def write(self, event: Message, now: float | None) -> None:
        if isinstance(event, Transcript):
            self._texts[event.utterance] = one_line(event.text)
            while len(self._texts) > KEPT_TEXTS:
                del self._texts[next(iter(self._texts))]
        elif isinstance(event, Notice):
            self._tell(f"{event.t:.2f}", f"{event.level}: {event.about}: {one_line(event.text)}")
        elif isinstance(event, Gap) and math.isfinite(event.t1):
            lost = f"warning: {event.stream}: lost {event.t1 - event.t0:.3f} s, {event.cause}"
            self._tell(f"{event.t0:.2f}", one_line(lost))
        elif isinstance(event, EmotionEstimate):
            if event.final:
                self._final(event)
            elif self._changes and not event.provisional:
                self._change(event)

    def _final(self, estimate: EmotionEstimate) -> None:
        text = "" if estimate.utterance is None else self._texts.pop(estimate.utterance, "")
        t0, t1 = estimate.window
        self._print(f"{t0:.2f}-{t1:.2f}", _answer(estimate) + (f'  "{text}"' if text else ""))
        self._shown(estimate)

    def _change(self, estimate: EmotionEstimate) -> None:
        person = estimate.person
        waiting = estimate.t - self._changed.get(person, -math.inf) < self._change_every_s
        if estimate.label == self._label.get(person) or waiting:
            return
        self._print(f"{estimate.t:.2f}", _answer(estimate))
        self._shown(estimate)

    def _shown(self, estimate: EmotionEstimate) -> None:
        self._label[estimate.person] = estimate.label
        self._changed[estimate.person] = estimate.t

    def _print(self, when: str, what: str) -> None:
        line = f"{when:>11}  {what}".rstrip()
        with self._aside():
            print_line(self._stream, line)

    def _tell(self, when: str, what: str) -> None:
        """Print a notice, wrapped where the stream is a terminal."""
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - len(_INDENT)
            what = f"\n{_INDENT}".join(textwrap.wrap(what, max(width, 20)))
        self._print(when, what)


def _answer(estimate: EmotionEstimate) -> str:
    who = "" if estimate.person is None else f"person {estimate.person}: "
    if estimate.label is None or estimate.confidence is None:
        return f"{who}-  ({estimate.why.get('label', 'no evidence')})"
    return f"{who}{estimate.label} {estimate.confidence:.2f}  ({modality_labels(estimate)})"
