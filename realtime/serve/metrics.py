"""Metrics of the server for Prometheus, in a registry of its own; times in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mmer.realtime.messages import Health
from mmer.realtime.stage_times import StageTime

BUCKETS_S: Final = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.35, 0.5, 1.0, 2.0)
CAPTURE_TO_LINE: Final = "capture_to_line"


class Metrics:
    """Counters and histograms; any thread may count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "mmer_latency_seconds",
            "Wait and work of a message by stage; capture_to_line: newest evidence to its line",
            ["stage"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._drops = Counter(
            "mmer_drops", "Messages replaced by newer ones", ["mailbox"], registry=self.registry
        )
        self._age = Gauge(
            "mmer_queue_age_seconds",
            "Age of the oldest waiting message, the highest of all sessions",
            ["mailbox"],
            registry=self.registry,
        )
        self._sessions = Gauge("mmer_sessions", "Open sessions", registry=self.registry)
        self._opened = Counter("mmer_sessions_opened", "Sessions opened", registry=self.registry)
        self._ended = Counter(
            "mmer_sessions_ended",
            "Sessions ended, by close code; 1006: the client did not come back",
            ["code"],
            registry=self.registry,
        )
        self._refused = Counter(
            "mmer_refused", "Requests and sockets refused", ["why"], registry=self.registry
        )
        self._received = Counter(
            "mmer_received", "Messages of clients", ["kind"], registry=self.registry
        )
        self._lines = Counter(
            "mmer_lines", "Lines written to the sockets of sessions", registry=self.registry
        )

    def stage(self, time: StageTime) -> None:
        """Time one message through one stage of a session."""
        self._latency.labels(time.stage).observe(time.wait_s + time.work_s)

    def line(self) -> None:
        """Count a line of any type that was written to a session's socket."""
        self._lines.inc()

    def capture_to_line(self, seconds: float) -> None:
        """Time an estimate: the age of its newest evidence when its line is written."""
        self._latency.labels(CAPTURE_TO_LINE).observe(max(0.0, seconds))

    def opened(self) -> None:
        """Count an opened session."""
        self._opened.inc()

    def ended(self, code: int) -> None:
        """Count an ended session by its close code."""
        self._ended.labels(str(int(code))).inc()  # of an IntEnum Python 3.10 gives the name

    def refused(self, why: str) -> None:
        """Count a refusal, by "host", "origin", "token", "full" or "protocol"."""
        self._refused.labels(why).inc()

    def received(self, kind: str) -> None:
        """Count a message of a client: "audio", "video" or "text"."""
        self._received.labels(kind).inc()

    def drops(self, before: Mapping[str, int], now: Mapping[str, int]) -> None:
        """Count the messages that a session's mailboxes have dropped since ``before``."""
        for mailbox, count in now.items():
            if count > before.get(mailbox, 0):
                self._drops.labels(mailbox).inc(count - before.get(mailbox, 0))

    def page(self, healths: Iterable[Health | None], sessions: int) -> bytes:
        """The text for a scrape; ``healths`` are the newest of the open sessions."""
        self._sessions.set(sessions)
        ages: dict[str, float] = {}
        for health in healths:
            for mailbox, age in ({} if health is None else health.queue).items():
                ages[mailbox] = max(ages.get(mailbox, 0.0), age or 0.0)
        self._age.clear()
        for mailbox, age in ages.items():
            self._age.labels(mailbox).set(age)
        text: bytes = generate_latest(self.registry)
        return text
