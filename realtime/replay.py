"""Replay: the deterministic runner, a file as fast as it goes on a virtual clock.

Nothing is dropped, and nothing depends on the wall clock, on threads or on the machine's load: the
same input gives the same events in the same order. A tick at time T covers all that was captured
up to T and nothing after.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import (
    AudioBlock,
    Clip,
    EmotionEstimate,
    Evidence,
    Gap,
    Health,
    Message,
    Notice,
    Tick,
    VideoFrame,
)
from mmer.realtime.pacing import EVIDENCE_S, captured_at, lost_s
from mmer.realtime.pipeline import Pipeline
from mmer.realtime.sources.source import Source


class Replay:
    """Drive ``pipeline`` with one file's messages and yield every event in order of time."""

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        hop_s: float = 0.25,
        *,
        health_s: float = 1.0,
        pictures: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._source = source
        self._hop_s = hop_s
        self._health_s = health_s
        always = (AudioBlock, Clip, Tick)
        self._hidden = always if pictures else (*always, VideoFrame)
        self._stopped = threading.Event()
        self._closed = threading.Event()
        self._gap_s = 0.0
        self.clock = ManualClock()
        self.drops: dict[str, int] = {
            **{stage.inbox: 0 for stage in pipeline.stages},
            **dict.fromkeys(("output", "pictures", "ticks"), 0),
        }

    def stop(self) -> None:
        """End early but cleanly: what is open is finished."""
        self._stopped.set()
        self._source.stop()

    def close(self) -> None:
        """End at once, for the source is about to be closed; nothing more is finished."""
        self.stop()
        self._closed.set()

    def events(self) -> Generator[Message, None, None]:
        """All events in order; the frames themselves where they were asked for."""
        ticks = 1  # the next tick is at ticks * hop_s: counted, since sums of a float drift
        healths = 1
        ticked, fresh = 0.0, False  # time of the last tick, and whether evidence has come since
        for message in self._source.messages():
            t = captured_at(message)
            while ticks * self._hop_s < t:
                now = ticks * self._hop_s
                yield from self._tick(now)
                ticked, fresh = now, False
                ticks += 1
                if now >= healths * self._health_s:
                    yield self._health(now)
                    healths += 1
            self.clock.set(max(t, self.clock.now()))
            if isinstance(message, Gap):
                self._gap_s += lost_s(message)
            if isinstance(message, Notice):
                yield message
            else:
                made = self._pipeline.push(message)
                yield from self._stamped(made)
                fresh = fresh or any(isinstance(event, Evidence) for event in made)
            now = self.clock.now()
            if fresh and ticked + EVIDENCE_S <= now < ticks * self._hop_s:
                yield from self._tick(now)
                ticked, fresh = now, False
            if self._closed.is_set():
                return
            if self._stopped.is_set():
                break
        if self._closed.is_set():
            return
        yield from self._stamped(self._pipeline.flush())
        yield from self._tick(self.clock.now())
        yield self._health(self.clock.now())

    def _tick(self, t: float) -> Iterator[Message]:
        self.clock.set(max(t, self.clock.now()))
        yield from self._stamped(self._pipeline.push(Tick(t)))

    def _stamped(self, events: list[Message]) -> Iterator[Message]:
        """Stamp estimates: none is decided before the data that it rests on was captured."""
        for event in events:
            if isinstance(event, EmotionEstimate):
                yield event.decided_at(self.clock.now())
            elif not isinstance(event, self._hidden):
                yield event

    def _health(self, t: float) -> Health:
        queue = dict.fromkeys(self.drops)
        latency = dict.fromkeys(("speech", "text", "face"))
        return Health(t, dict(self.drops), queue, self._gap_s, latency, self._pipeline.baseline())
