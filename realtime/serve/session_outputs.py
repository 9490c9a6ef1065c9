"""Outputs of a server: those of `mmer-live`, for the sessions of its clients."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.messages import Message, SessionEnd
from mmer.realtime.sinks.output import refuse_twice
from mmer.realtime.sinks.outputs import reports_of
from mmer.realtime.sinks.registry import (
    DEFAULT,
    OUTPUTS,
    STDOUT,
    Settings,
    Target,
    files_of,
    make_output,
    option_of,
)
from mmer.realtime.sinks.sink import SessionInfo, Sink

PLACE: Final = "{session}"
"""Stands in an address for a session's name."""


class SessionOutputs:
    """Maker of each session's outputs, by the options of the server.

    In an address ``{session}`` becomes the session's name (time in UTC and a random part). An
    address without it serves one session at a time; a file must have it, for the next session
    would overwrite it; on standard output the sessions could not be told apart. Raises MmerError
    (constructor) for what cannot be.
    """

    def __init__(self, targets: Sequence[Target] = (), settings: Settings | None = None) -> None:
        self._targets, self._settings = tuple(targets), settings or {}
        self._used: set[Target] = set()
        self._lock = threading.Lock()
        for name, address in self._targets:
            if OUTPUTS[name].writes_file and PLACE not in address:
                raise MmerError(_needs_place(Target(name, address)))
            tried = address if OUTPUTS[name].writes_file else address.replace(PLACE, "x")
            make_output(name, tried, self._settings.get(name))
        refuse_twice([file for target in self._targets for file in files_of(target)])

    @property
    def targets(self) -> tuple[Target, ...]:
        """Output targets of each session."""
        return self._targets

    def for_session(self) -> list[Sink]:
        """Sinks of a new session, which fail for themselves alone."""
        now = datetime.now(timezone.utc)
        name = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        return [_SessionOutput(self, target, name) for target in self._targets]

    def take(self, target: Target) -> Sink:
        """The output of ``target`` for one session; raises MmerError where another one has it."""
        with self._lock:
            if target in self._used:
                raise MmerError(f"{option_of(target)} is another session's just now")
            self._used.add(target)
        try:
            return make_output(*target, self._settings.get(target.name))
        except BaseException:
            self.give_back(target)
            raise

    def give_back(self, target: Target) -> None:
        """Free ``target``: the session that had taken it is over."""
        with self._lock:
            self._used.discard(target)


def _needs_place(target: Target) -> str:
    """Why all sessions cannot write to ``target``, and an option by which they can."""
    if target.address == STDOUT:
        why, root = "standard output does not tell the sessions apart", "run"
        ending = ".jsonl" if target.name == DEFAULT else ".txt"
    else:
        why = f"a file of the server needs {PLACE} in its name"
        root, ending = os.path.splitext(target.address)
    each = target._replace(address=f"{root}-{PLACE}{ending}")
    return f"{option_of(target)}: {why}; use {option_of(each)}"


class _SessionOutput(Sink):
    """One output of one session: where it cannot be opened, the session has a notice instead."""

    def __init__(self, outputs: SessionOutputs, target: Target, session: str) -> None:
        self._outputs = outputs
        self._target = target._replace(address=target.address.replace(PLACE, session))
        self._sink: Sink | None = None
        self._news: list[str] = []

    def open(self, info: SessionInfo) -> None:
        try:
            sink = self._outputs.take(self._target)
            try:
                sink.open(info)
            except BaseException:
                self._outputs.give_back(self._target)
                raise
        except (MmerError, OSError) as problem:
            self._news.append(f"{problem}; the session goes on without it")
        else:
            self._sink = sink

    def write(self, event: Message, now: float | None) -> None:
        if self._sink is not None:
            self._sink.write(event, now)

    def close(self, end: SessionEnd | None) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close(end)
                self._news += reports_of([sink])
            finally:
                self._outputs.give_back(self._target)

    def reports(self) -> list[str]:
        """Its own news and the output's."""
        news, self._news = self._news, []
        return news + ([] if self._sink is None else reports_of([self._sink]))
