"""Session: the live runner, threads around the same pipeline on the real clock.

One reader a source, one worker a stage, one thread for the fusion and its ticks. Every edge is a
bounded mailbox with a named policy (the pipeline names it). A slow consumer of ``events`` makes
partial results conflate or, with ``output=LOSSLESS``, holds the fusion back; finals are never lost.

Shut-down is one path for Ctrl-C, end of file and a dead device: the readers end, then the stages
are closed in the pipeline's order, each drained, flushed and joined before the next. A thread that
is stuck in a read or in a network is not waited for beyond a limit, and keeps no process alive.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final

from mmer.models.errors import MmerError, described
from mmer.models.labels import MODALITIES
from mmer.realtime.blocks.block import Block, Sheds
from mmer.realtime.blocks.guarded import PARTS, QUIET_S, instead_of
from mmer.realtime.clock import SessionClock
from mmer.realtime.mailbox import Closed, Delivery, Mailbox
from mmer.realtime.memory import trim
from mmer.realtime.messages import (
    AudioBlock,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Health,
    Message,
    Missing,
    Notice,
    SpeechUpdate,
    Tick,
    Transcript,
    VideoFrame,
)
from mmer.realtime.pacing import Captured, Thinning, TickTimes, lost_s, paced
from mmer.realtime.pipeline import Pipeline, Stage
from mmer.realtime.sources.source import Source
from mmer.realtime.stage_times import Listener, Stopwatch

_STUCK_S: Final = 1.5
"""A reader that waits for its source so long after the stop is left behind."""

_HUNG_S: Final = 10.0
"""At the end, a thread that has worked on one message for so long is left behind."""

_CLOSE_S: Final = 4.0
"""How long ``close`` waits for all threads."""

_LATE_S: Final = 0.7
"""A transcript that comes so long after its sound shows that the machine is too slow: partial ones
are left out for ``_SHED_S``, then tried again. Of 20 s of speech one takes 0.6 s."""

_SHED_S: Final = 2.0

_TRIM_S: Final = 60.0
"""Period in which freed memory goes back to the system: it takes a few milliseconds."""

_BLOCKS: Final = 4096
"""More blocks of sound than can wait between the source and the speech recognizer."""

_HUNG_BEATS: Final = 5
"""A block that answers nothing for so many health beats is reported."""


class DeviceLost(MmerError):
    """Every device has stopped delivering; what was captured until then was finished."""


class Session:
    """Run ``pipeline`` on opened ``sources`` until they end or ``stop`` is called.

    ``pictures`` makes ``events`` yield the analysed frames as well (the newest only), each before
    what was found in it, or before whatever comes next where no face is looked for. ``video_fps``
    thins a live camera's frames; files thin their own. ``stage_times`` is called for every message
    with how long it waited for each stage and took there.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sources: Sequence[Source],
        clock: SessionClock,
        *,
        hop_s: float = 0.25,
        health_s: float = 1.0,
        output: Delivery = Delivery.LATEST_PARTIAL,
        pictures: bool = False,
        video_fps: float | None = None,
        stage_times: Listener | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._stage_times = stage_times
        self._sources = sources
        self.clock = clock
        self._hop_s = hop_s
        self._video_fps = video_fps
        self._health_s = health_s
        self._inboxes: dict[str, Mailbox[Message]] = {
            stage.name: Mailbox(stage.inbox, stage.delivery, stage.capacity)
            for stage in pipeline.stages
        }
        self._fusion_inbox = self._inboxes[pipeline.fusion.name]
        self._output: Mailbox[Message] = Mailbox("output", output, capacity=1024)
        self._frames: Mailbox[Message] | None = (
            Mailbox("pictures", Delivery.LATEST) if pictures else None
        )
        self._tracks = any(stage.name == "tracker" for stage in pipeline.stages)
        self._stopped = threading.Event()
        self._stopped_at = math.inf  # on the monotonic clock
        # by source (its id): since when its thread waits for it, or else for room in a mailbox
        self._reads: dict[int, tuple[float, bool]] = {}
        self._busy: dict[str, float] = {}  # by stage: since when it works on a message
        self._hung: dict[str, tuple[float, int]] = {}  # of those: the same, and for how many beats
        self._error: BaseException | None = None
        self._error_lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        # by part and level: until when its lateness is not reported
        self._quiet: dict[tuple[str, str], float] = {}
        # end of each block of sound, and when it came: of the last ten seconds and more
        self._sound_came: deque[tuple[float, float]] = deque(maxlen=_BLOCKS)
        self._shed_until = 0.0  # no partial transcripts before, on the session's clock
        self._skipped_ticks = 0
        self._gap_s = 0.0
        self._lost: list[str] = []  # names of live sources that ended by themselves
        self._cause: Exception | None = None  # of the last one, where it raised
        self._newest: dict[str, float | None] = dict.fromkeys(MODALITIES)
        for stage in pipeline.stages:
            if stage.name == "asr" and isinstance(stage.block, Sheds):
                stage.block.ask_first(self._partial_wanted, self._sheds)

    # --- the caller's side ---------------------------------------------------------------------

    def events(self) -> Generator[Message, None, None]:
        """Start, yield every event, and end with everything joined; raises a worker's exception."""
        self._threads = [
            self._thread("fusion", self._fuse, self._fusion_inbox),
            self._thread("wind-down", self._wind_down),
        ]
        try:
            for thread in self._threads:
                thread.start()
            yield from self._delivered()
        finally:
            self.close()
        if self._error is not None:
            raise self._error
        if self._lost and len(self._lost) == len(self._sources):
            cause = self._cause
            text = str(cause) if isinstance(cause, MmerError) else cause and described(cause)
            why = f" ({text})" if text else ""
            raise DeviceLost(
                f"{' and '.join(self._lost)} stopped delivering{why}; everything until then was "
                "finished"
            ) from cause

    def stop(self) -> None:
        """End soon but cleanly: what is open is finished. Any thread may call it, repeatedly."""
        self._stopped_at = min(self._stopped_at, time.monotonic())
        self._stopped.set()
        for source in self._sources:
            source.stop()

    def close(self) -> None:
        """End at once and join every thread; what has not been taken from ``events`` is lost."""
        self.stop()
        self._output.abandon()
        for inbox in self._inboxes.values():  # also where the thread that closes them never began
            inbox.abandon()
        until = max(self._stopped_at + _CLOSE_S, time.monotonic() + 1.0)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    @property
    def drops(self) -> dict[str, int]:
        """By mailbox, how many messages a newer one has replaced; and the ticks skipped."""
        counted = {box.name: box.dropped for box in self._inboxes.values()}
        counted["output"] = self._output.dropped
        counted["pictures"] = 0 if self._frames is None else self._frames.dropped
        counted["ticks"] = self._skipped_ticks
        return counted

    def _delivered(self) -> Iterator[Message]:
        frame: Message | None = None
        while True:
            try:
                event = self._output.get(timeout_s=0.5)  # wake now and then, so that signals act
            except Closed:
                return
            if event is None:
                continue
            if self._frames is not None and not self._tracks:
                if len(self._frames) and (frame := self._frames.get()) is not None:
                    yield frame
            elif self._frames is not None and isinstance(event, FaceObservation):
                if frame is None and len(self._frames):
                    frame = self._frames.get()
                if isinstance(frame, VideoFrame) and frame.t <= event.t:
                    if frame.t == event.t:
                        yield frame
                    frame = None
            if self._stage_times is None:
                yield event
                continue
            stopwatch = Stopwatch("output", event, self._output.waited_s)
            yield event
            self._stage_times(stopwatch.done(self.clock.now()))

    # --- threads -------------------------------------------------------------------------------

    def _thread(
        self,
        name: str,
        work: Callable[..., None],
        inbox: Mailbox[Message] | None = None,
        *args: object,
    ) -> threading.Thread:
        """A thread whose first exception stops the session and is raised by ``events``."""

        def guarded() -> None:
            try:
                work(*args)
            except BaseException as error:  # noqa: BLE001  re-raised in the caller's thread
                with self._error_lock:
                    self._error = self._error or error
                if inbox is not None:
                    inbox.abandon()
                self.stop()

        return threading.Thread(target=guarded, name=name, daemon=True)

    def _wind_down(self) -> None:
        """Start readers and workers; when the readers end, close the stages one by one."""
        workers = [
            (stage, self._thread(stage.name, self._work, self._inboxes[stage.name], stage))
            for stage in self._pipeline.stages[:-1]
        ]
        readers = [self._thread(s.name, self._read, None, s) for s in self._sources]
        due = time.monotonic() + _TRIM_S
        try:
            for _, thread in workers:
                thread.start()
            for thread in readers:
                thread.start()
            for source, thread in zip(self._sources, readers, strict=True):
                while thread.is_alive() and not self._stuck(source):
                    thread.join(0.1)
                    if time.monotonic() >= due:
                        trim()
                        due = time.monotonic() + _TRIM_S
        finally:
            ended = time.monotonic()
            for stage, thread in workers:
                self._inboxes[stage.name].close()
                while thread.is_alive() and not self._hangs(stage.name, ended):
                    thread.join(0.1)
            self._fusion_inbox.close()

    def _stuck(self, source: Source) -> bool:
        """Whether the session has been stopped, and the thread of a source comes no further."""
        since, waits = self._reads.get(id(source), (-math.inf, False))
        limit_s = _STUCK_S if waits else _HUNG_S
        return time.monotonic() > max(since, self._stopped_at) + limit_s

    def _hangs(self, stage: str, after: float) -> bool:
        """Whether a stage has worked on one message for ``_HUNG_S`` since ``after``."""
        since = self._busy.get(stage)
        return since is not None and time.monotonic() > max(since, after) + _HUNG_S

    def _read(self, source: Source) -> None:
        messages = self._outlived(source) if source.live else source.messages()
        thinning = Thinning(self._video_fps if source.live else None)
        self._reads[id(source)] = (time.monotonic(), True)
        for message in messages if source.live else paced(messages, self.clock, self._stopped):
            self._reads[id(source)] = (time.monotonic(), False)
            if isinstance(message, AudioBlock):
                self._sound_came.append((message.t1, self.clock.now()))
            if not isinstance(message, VideoFrame) or thinning.takes(message.t):
                if isinstance(message, Gap) and (lost := lost_s(message)) > 0:
                    self._gap_s += lost  # one source has the sound: no other thread adds to it
                self._route(message)
            self._reads[id(source)] = (time.monotonic(), True)
        if source.live and source.duration_s is None and not self._stopped.is_set():
            self._lost.append(source.name)

    def _outlived(self, source: Source) -> Iterator[Captured]:
        """Messages of a device; its exception becomes its end, a notice, and gaps without end."""
        try:
            yield from source.messages()
        except Exception as error:  # noqa: BLE001  a device that fails costs itself alone
            self._cause = error
            now = self.clock.now()
            text = f"{source.name} failed ({type(error).__name__}: {error}); the rest goes on"
            yield Notice(now, "error", "source", text)
            for stream in sorted(source.streams):
                yield Gap(stream, now, math.inf, f"{source.name} failed")

    def _work(self, stage: Stage) -> None:
        inbox = self._inboxes[stage.name]
        while True:
            try:
                message = inbox.get()
            except Closed:
                break
            if message is None:
                continue
            if self._frames is not None and isinstance(message, VideoFrame):
                self._frames.put(message)
            for made in self._timed(stage.name, message, inbox.waited_s, stage.block):
                self._route(made, after=stage)
            if isinstance(message, SpeechUpdate) and stage.name == "asr":
                self._shed_if_late(message.decided, stage)
        self._busy[stage.name] = time.monotonic()  # a flush can hang as well
        flushed = stage.block.flush()
        del self._busy[stage.name]
        for made in flushed:
            self._route(made, after=stage)

    def _timed(
        self, stage: str, message: Message, wait_s: float, block: Block
    ) -> Sequence[Message]:
        """Push ``message`` through a block, timed where ``stage_times`` asks for it."""
        self._busy[stage] = time.monotonic()
        if self._stage_times is None:
            made = block.push(message)
        else:
            stopwatch = Stopwatch(stage, message, wait_s)
            made = block.push(message)
            self._stage_times(stopwatch.done(self.clock.now()))
        del self._busy[stage]
        return made

    def _route(self, message: Message, after: Stage | None = None) -> None:
        given_back = {} if after is None else self._inboxes[after.name].given_back
        if isinstance(message, Transcript | Evidence | Missing) and message.utterance in given_back:
            return  # it has been answered in the stage's place
        self._hand_on(message, after)

    def _hand_on(self, message: Message, after: Stage | None) -> None:
        if isinstance(message, Notice):  # for the user: no block takes it
            self._fusion_inbox.put(message)
        for stage in self._pipeline.takers(message, after):
            behind = self._inboxes[stage.name].put(message)
            if behind is not None:
                self._give_up(behind, stage)

    def _partial_wanted(self) -> bool:
        """Whether there is time for a partial transcript: for it no end of an utterance waits."""
        return not self._sheds() and not self._inboxes["asr"].holds(_may_be_final)

    def _sheds(self) -> bool:
        """Whether a transcript came late a short while ago."""
        return self.clock.now() < self._shed_until

    def _shed_if_late(self, decided: float, stage: Stage) -> None:
        """Leave out the next partial transcripts, and second tries, where one came late.

        Sound that itself came late, second by second from a program, says nothing of the machine.
        """
        now = self.clock.now()
        while self._sound_came and self._sound_came[0][0] < decided:
            self._sound_came.popleft()
        came = self._sound_came[0][1] if self._sound_came else decided
        if now - max(came, decided) > _LATE_S:
            self._shed_until = now + _SHED_S
            text = "the computer is too slow just now: partial transcripts are left out"
            self._report(Notice(now, "info", PARTS[stage.name].about, text), stage)

    def _report(self, notice: Notice, stage: Stage) -> None:
        """Hand on a notice about a stage's lateness, unless there was one a short while ago.

        One that partial transcripts are left out does not hide the one that final ones are.
        """
        if notice.t >= self._quiet.get((notice.about, notice.level), 0.0):
            for level in {"info", notice.level}:
                self._quiet[notice.about, level] = notice.t + QUIET_S
            self._hand_on(notice, stage)

    def _give_up(self, message: Message, stage: Stage) -> None:
        """Answer ``message`` in place of a stage that is too far behind, or hangs."""
        why = f"{PARTS[stage.name].name} is too far behind"
        for made in instead_of(stage.name, message, why):
            self._hand_on(made, after=stage)
        if not getattr(message, "partial", False):
            text = f"{why}: what waits longest is left out, and the rest goes on"
            about = PARTS[stage.name].about
            self._report(Notice(self.clock.now(), "warning", about, text), stage)

    def _fuse(self) -> None:
        fusion = self._pipeline.fusion
        ticks, beat = TickTimes(self._hop_s), 1
        try:
            while True:
                try:
                    message = self._fusion_inbox.get(timeout_s=self.clock.wait_s(ticks.next))
                except Closed:
                    break
                if message is not None:
                    self._fused(message, fusion, self._fusion_inbox.waited_s)
                now = self.clock.now()
                if isinstance(message, Evidence):
                    ticks.evidence(now)
                asked = ticks.next
                # what has arrived by the tick goes before it, unless that would never end
                if now < asked or (len(self._fusion_inbox) and now < asked + self._hop_s / 2):
                    continue
                self._fused(Tick(now), fusion, now - asked)
                self._skipped_ticks += ticks.ticked(now)
                if now >= beat * self._health_s:
                    self._output.put(self._health(self.clock.now()))
                    self._report_hung(now)
                    beat = math.floor(now / self._health_s) + 1
            for made in fusion.block.flush():
                self._emit(made)
            self._output.put(self._health(self.clock.now()))
        finally:
            self._output.close()

    def _report_hung(self, now: float) -> None:
        """A notice for each block that has been busy with one message for several beats.

        Beats are counted, not seconds: a suspended program (Ctrl-Z) is not a block that hangs.
        """
        busy = dict(self._busy)
        for stage, since in busy.items():
            before, beats = self._hung.get(stage, (since, 0))
            beats = beats + 1 if before == since else 1
            self._hung[stage] = (since, beats)
            if beats == _HUNG_BEATS:
                text = f"the {stage} stage has not answered for {_HUNG_BEATS * self._health_s:g} s"
                self._output.put(Notice(now, "error", stage, f"{text}; the rest goes on"))

    def _fused(self, message: Message, fusion: Stage, wait_s: float) -> None:
        if not isinstance(message, Tick):
            self._output.put(message)
        if isinstance(message, fusion.takes):
            for made in self._timed(fusion.name, message, wait_s, fusion.block):
                self._emit(made)

    def _emit(self, made: Message) -> None:
        if isinstance(made, EmotionEstimate):
            made = made.decided_at(self.clock.now())
            self._newest = {name: None if c is None else c.t for name, c in made.modalities.items()}
        self._output.put(made)

    def _health(self, now: float) -> Health:
        queue: dict[str, float | None] = {b.name: b.age_s() for b in self._inboxes.values()}
        queue["output"] = self._output.age_s()
        latency = {n: None if t is None else (now - t) * 1000 for n, t in self._newest.items()}
        return Health(now, self.drops, queue, self._gap_s, latency, self._pipeline.baseline())


def _may_be_final(message: Message) -> bool:
    """Whether ``message`` is of an utterance that has ended, or may have."""
    return isinstance(message, SpeechUpdate) and message.silent
