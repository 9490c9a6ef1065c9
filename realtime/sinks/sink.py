"""Interface of the sinks: everything that shows, stores or sends results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mmer.realtime.messages import Message, SessionEnd, Stream
from mmer.realtime.policy import DEFAULT_POLICY


@dataclass(frozen=True)
class SessionInfo:
    """Facts of a whole session: the first JSON line, the panel's heading."""

    utc: datetime | None  # of second 0; None in replay
    source: Mapping[str, Any]  # {"kind": "file", "name": ..., "duration_s": ..., "streams": [...]}
    models: Mapping[str, Any]  # by part: file or package and version
    provider: Mapping[str, str]  # by encoder: "cpu", "cuda", ...
    config: Mapping[str, Any]
    streams: frozenset[Stream] = field(default_factory=frozenset)
    duration_s: float | None = None
    policy: str = DEFAULT_POLICY
    recording: Mapping[str, Any] | None = None  # consent and expiry, where one is made
    origin: float | None = None  # second 0 on the monotonic clock; None in replay
    reads: tuple[Path, ...] = ()  # files: the source's, baseline, weights


def inputs_of(info: SessionInfo) -> list[str | Path]:
    """Files and names of devices that the session reads; no output may overwrite one of them."""
    names: list[str | Path] = [*info.reads]
    for given in (info.source.get("path"), info.source.get("name")):
        names += [given] if isinstance(given, str) else given or []
    return names


class Sink(Protocol):
    """Consumer of every event of a session, in order, from one thread."""

    def open(self, info: SessionInfo) -> None:
        """The session begins."""
        return

    def write(self, event: Message, now: float | None) -> None:
        """One event; ``now`` is the session's clock at writing, None in replay."""

    def close(self, end: SessionEnd | None) -> None:
        """The session is over; ``end`` is None when an error ended it."""
        return
