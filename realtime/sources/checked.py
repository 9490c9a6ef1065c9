"""Checked source: a program's own `Source`, whose faults become one line each."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError, described
from mmer.realtime.clock import Clock
from mmer.realtime.messages import AudioBlock, Gap, Notice, Stream, VideoFrame
from mmer.realtime.pacing import Captured, captured_at
from mmer.realtime.sources.pushed import AHEAD_S
from mmer.realtime.sources.source import Source

LATEST_S: Final = 86_400.0
"""A source that is not live begins so late at most: the seconds before it are played, too."""
log: Final = logging.getLogger("mmer.source")
_METHODS: Final = ("open", "messages", "stop", "close")
_STREAMS: Final = frozenset({"audio", "video"})


def check_source(source: Any) -> None:
    """Raise MmerError for what is no `Source` object, or has no name or kind."""
    kind = type(source).__name__
    if isinstance(source, type) or not callable(getattr(source, "messages", None)):
        raise MmerError(f"the source is a path, a URL or a Source object, not {kind}")
    for name in _METHODS:
        if not callable(getattr(source, name, None)):
            raise MmerError(f"the source {kind} has no method {name}: see mmer.Source")
    for name, expected, what in (("name", str, "text"), ("live", bool, "True or False")):
        value = getattr(source, name, None)
        if not isinstance(value, expected):
            raise MmerError(f"{name} of the source {kind} is {value!r}, expected {what}")


class CheckedSource(Source):
    """``source`` with its values checked: what is wrong raises MmerError with a short message.

    ``open`` turns whatever the source raises into MmerError; ``stop`` and ``close`` log it, since
    the rest of the session must end as well. Messages of a wrong type, time or shape are refused,
    and so are those of a live source that are stamped with another clock than the session's, and
    a source that is not live and begins after ``LATEST_S``.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name, self.live = source.name, source.live
        self._streams: frozenset[Stream] = frozenset()
        self._clock: Clock | None = None

    @property
    def streams(self) -> frozenset[Stream]:
        return self._streams

    @property
    def duration_s(self) -> float | None:
        value: Any = self._source.duration_s
        if value is None or (_is_number(value) and value >= 0.0):
            return value if value is None else float(value)
        raise MmerError(f"duration_s of {self.name} is {value!r}, expected seconds or None")

    def open(self, clock: Clock) -> None:
        self._clock = clock
        try:
            self._source.open(clock)
        except MmerError:
            raise
        except Exception as error:
            raise MmerError(f"{self.name} cannot be opened: {described(error)}") from error
        try:
            self._streams = self._checked_streams()
            _ = self.duration_s
        except Exception as error:
            self.close()
            if isinstance(error, MmerError):
                raise
            raise MmerError(f"{self.name} cannot be used: {described(error)}") from error

    def _checked_streams(self) -> frozenset[Stream]:
        value: Any = self._source.streams
        if isinstance(value, str) or not isinstance(value, (frozenset, set, tuple, list)):
            raise MmerError(f"streams of {self.name} is {value!r}, expected a set of names")
        if unknown := [name for name in value if name not in _STREAMS]:
            raise MmerError(f"a stream of {self.name} is {unknown[0]!r}: use audio, video")
        return frozenset(value)

    def messages(self) -> Iterator[Captured]:
        made: Any = self._source.messages()
        if not isinstance(made, Iterable):
            raise MmerError(f"messages of {self.name} gave {made!r}, expected an iterator")
        first = True
        for message in made:
            if problem := _problem(message) or self._ahead(message, first):
                raise MmerError(f"{self.name} yielded {problem}")
            first = False
            yield message

    def _ahead(self, message: Captured, first: bool) -> str:
        """Why a message has a time that cannot be; "" where it can.

        Times of ``time.time()`` are years ahead: of a live source nothing would ever count, and
        one that is not live would never come so far. Nothing would say so.
        """
        if self._clock is None or isinstance(message, Gap | Notice):
            return ""
        t, now = captured_at(message), self._clock.now()
        if not self.live:
            if not first or t <= LATEST_S:
                return ""
            return f"a time of {t:.0f} s to begin with: subtract it, second 0 is the beginning"
        if t <= now + AHEAD_S:
            return ""
        return (
            f"a time of {t:.2f} s, ahead of the session's clock ({now:.2f} s): stamp by the clock "
            "that open() gets"
        )

    def stop(self) -> None:
        self._quietly(self._source.stop, "stopped")

    def close(self) -> None:
        self._quietly(self._source.close, "closed")

    def _quietly(self, call: Callable[[], None], done: str) -> None:
        try:
            call()
        except Exception:
            log.exception("%s could not be %s", self.name, done)


def _problem(message: Any) -> str:
    """What is wrong with a captured message; "" for a good one. Shapes as in the messages."""
    if isinstance(message, AudioBlock):
        fits = len(getattr(message.samples, "shape", ())) == 1
        wrong = _array_problem("sound", message.samples, fits, np.int16, "(n,)")
        return _time_problem(message.t0) or wrong
    if isinstance(message, VideoFrame):
        shape = getattr(message.image, "shape", ())
        fits = shape[2:] == (3,) and 0 not in shape
        wrong = _array_problem("a frame", message.image, fits, np.uint8, "(H, W, 3)")
        return _time_problem(message.t) or wrong
    if isinstance(message, Gap):
        if message.stream not in _STREAMS:
            return f"a gap of {message.stream!r}: use audio, video"
        if problem := _time_problem(message.t0):
            return problem
        ends = _is_number(message.t1) and message.t1 >= message.t0  # NaN is refused too
        return "" if ends else f"a gap from {message.t0!r} to {message.t1!r}"
    if isinstance(message, Notice):
        return _time_problem(message.t)
    return f"{type(message).__name__}, expected AudioBlock, VideoFrame, Gap or Notice"


def _time_problem(t: Any) -> str:
    return "" if _is_number(t) and math.isfinite(t) else f"the time {t!r}, expected seconds"


def _array_problem(what: str, array: Any, fits: bool, kind: type[Any], shape: str) -> str:
    if not isinstance(array, np.ndarray):
        return f"{what} in {type(array).__name__}, expected {kind.__name__} {shape}"
    if fits and array.dtype == kind:
        return ""
    return f"{what} in {array.dtype} {array.shape}, expected {kind.__name__} {shape}"


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
