"""Outputs of one session: every event goes to all, and one that fails costs itself alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, runtime_checkable

from mmer.models.errors import MmerError, described
from mmer.realtime.messages import Message, Notice, SessionEnd
from mmer.realtime.sinks.output import ReaderGone
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.state import event_time

log: Final = logging.getLogger("mmer.outputs")
_EXPECTED: Final = (ReaderGone, MmerError, OSError)
"""Exceptions of a sink that has lost its disk, network or reader; others are faults of its code."""


@runtime_checkable
class Reporting(Protocol):
    """A sink with news of its own: a broker that is gone, a receiver that is back."""

    def reports(self) -> list[str]:
        """Lines for the user since the last call."""


class Outputs(Sink):
    """``sinks`` were asked for by the user; ``views`` are for people, on the terminal.

    A view, or one of several sinks, that raises is closed; the others go on and get a notice. An
    exception that is a fault of the sink's code is logged too, with its traceback. That of the
    last sink is raised, as is that of a ``vital`` sink, and of a view where there is no sink.
    ``lost`` is the first exception that was not raised. Those of a sink whose terminal has
    ``hung_up`` count as ReaderGone.
    """

    def __init__(
        self,
        sinks: Iterable[Sink],
        views: Iterable[Sink] = (),
        hung_up: Callable[[Sink, Exception], bool] = lambda sink, problem: False,
        vital: Sink | None = None,
    ) -> None:
        self._sinks, self._views = list(sinks), list(views)
        self._hung_up, self._vital = hung_up, vital
        self._opened: list[Sink] = []
        self._unsaid: list[str] = []
        self.lost: Exception | None = None

    def open(self, info: SessionInfo) -> None:
        """Open them in order; where one cannot be, MmerError; ``close`` closes those before it."""
        for sink in (*self._sinks, *self._views):
            sink.open(info)
            self._opened.append(sink)

    def write(self, event: Message, now: float | None) -> None:
        for notice in self._notices(event, now):
            self._write(notice, now)
        self._write(event, now)

    def _write(self, event: Message, now: float | None) -> None:
        for sink in list(self._opened):
            try:
                sink.write(event, now)
            except Exception as problem:  # noqa: BLE001  an output that fails costs itself alone
                gone = self._hung_up(sink, problem)
                self._lose(sink, ReaderGone() if gone else problem)

    def _lose(self, sink: Sink, problem: Exception) -> None:
        left = [other for other in self._opened if other is not sink]
        last = not any(other in self._sinks for other in left)
        if sink is self._vital or (last and (sink in self._sinks or not self._sinks)):
            raise problem
        self._opened = left
        name, expected = type(sink).__name__, isinstance(problem, _EXPECTED)
        if not expected:
            log.error("the output %s failed", name, exc_info=problem)
        try:
            sink.close(None)
        except _EXPECTED:
            pass
        except Exception:
            log.exception("the output %s could not be closed", name)
        self.lost = self.lost or problem
        if sink in self._sinks and not isinstance(problem, ReaderGone):
            what = f"{problem}" if expected else f"the output {name} failed ({described(problem)})"
            self._unsaid.append(f"{what}; the rest goes on")

    def _notices(self, event: Message, now: float | None) -> Iterable[Notice]:
        """Notices of what the sinks report, stamped like the event that they go before."""
        texts = []
        for sink in list(self._opened):
            try:
                texts += reports_of([sink])
            except Exception as problem:  # noqa: BLE001  as in ``_write``
                self._lose(sink, problem)
        lost, self._unsaid = self._unsaid, []
        t = event_time(event) if now is None else now
        return [Notice(t, "warning", "output", text) for text in lost + texts]

    def close(self, end: SessionEnd | None) -> None:
        """Close all in their order, also where one raises: the panel goes before the summary."""
        if self._opened:
            sink = self._opened.pop(0)
            try:
                sink.close(end)
                self._unsaid += reports_of([sink])
            finally:
                self.close(end)

    def last_words(self) -> list[str]:
        """Reports that came too late for a notice: while the sinks were closed."""
        texts, self._unsaid = self._unsaid, []
        return texts


def reports_of(sinks: Sequence[Sink]) -> list[str]:
    """News of those sinks that have any."""
    return [text for sink in sinks if isinstance(sink, Reporting) for text in sink.reports()]
