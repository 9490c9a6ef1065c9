"""One client's recognizer: fed from a socket, read by a thread, and longer-lived than the socket.

The recognizer's own output mailbox is the client's one bounded queue: the newest partial result
wins, finals wait. A client that does not read, or has gone, holds back this thread and nobody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import numpy as np

from mmer.models.errors import MmerError
from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    EmotionEstimate,
    FaceObservation,
    Health,
    Message,
    Notice,
    SessionEnd,
    Transcript,
    VideoFrame,
)
from mmer.realtime.pacing import Thinning
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.metrics import Metrics
from mmer.realtime.serve.protocol import Close, Packet, ProtocolError, Start
from mmer.realtime.serve.tickets import Part, part_writer
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sinks.outputs import Outputs
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sources.pushed import PushSource
from mmer.realtime.sources.queued import QueuedSource

log = logging.getLogger("mmer.serve")

_KEPT: Final = 1024  # lines that are no partial results, for a client that comes back
_BEHIND_S: Final = 5.0  # seconds of unread sound from which on the socket is not read either
_PUSH_S: Final = 10.0  # of sound in one message
_CUT_OFF: Final = "the server ends: the rest of the session was not finished"


class Socket(Protocol):
    """A client's connection."""

    async def send(self, text: str) -> bool:
        """Send a text message; False where the client is gone or does not read."""
        return True


class ServedSession:
    """A session of one client; all methods are for the event loop's thread.

    ``key`` is the secret by which a client resumes it; ``part`` says where it goes on, where it
    began in another process. Raises MmerError (constructor) for wrong options.
    """

    def __init__(
        self,
        start: Start,
        models: SharedModels,
        limits: Limits,
        metrics: Metrics,
        offline: bool,
        outputs: Sequence[Sink] = (),
        key: str = "",
        part: Part | None = None,
    ) -> None:
        self.key = key or secrets.token_urlsafe(24)
        self._part = part
        self._t0 = 0.0 if part is None else part.t0
        self.virtual = start.options.get("pace") == "max"
        self.done = asyncio.Event()  # its thread has ended
        self.code = Close.DONE  # why the connection is closed at the end
        self.error = ""  # what made it fail
        self.health: Health | None = None
        self.socket: Socket | None = None
        self._start, self._limits, self._metrics = start, limits, metrics
        has_audio = start.rate is not None
        if self.virtual and has_audio and start.rate != SAMPLE_RATE:
            raise MmerError(f"with pace max the sound is of {SAMPLE_RATE} samples a second")
        self.source: PushSource | QueuedSource
        if self.virtual:
            self.source = QueuedSource(audio=has_audio, video=start.video, name="stream")
        else:
            self.source = PushSource(
                audio=has_audio, video=start.video, name="stream", patience_s=0.0
            )
        self._recognizer = Recognizer(self.source, models=models, offline=offline, **start.options)
        self._thinning = Thinning(self._recognizer.options.video_fps)
        self._loop = asyncio.get_running_loop()
        client = _ToClient(self, part)
        self._outputs = Outputs([client, *outputs], vital=client)
        self._sent = 0  # lines, as the client counts them
        self._kept: deque[tuple[int, str]] = deque(maxlen=_KEPT)  # number and line
        self._attached = asyncio.Event()
        self.given_up = False  # lines go nowhere
        self._finishing = False
        self._opened_at = self._heard_at = self.left_at = time.monotonic()  # the client, last
        self.away = False  # the client has been here and is gone

    # --- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Load what is missing and start; raises MmerError where that fails."""
        await asyncio.to_thread(self._recognizer.prepare)
        threading.Thread(target=self._run, name="served", daemon=True).start()
        self._opened_at = self._heard_at = self.left_at = time.monotonic()
        self._metrics.opened()

    async def ready(self) -> None:
        """Wait until it takes sound and pictures: its first line must have been taken."""
        if isinstance(self.source, PushSource):
            await asyncio.to_thread(self.source.wait_started, self._limits.stall_s)

    def finish(self, code: Close = Close.DONE) -> None:
        """End the stream: what is open is finished, the last lines follow, then ``done``."""
        if self.code is Close.DONE:
            self.code = code
        self._finishing = True
        self.source.end()

    def give_up(self, code: Close) -> None:
        """End for a client that will not come back: lines go nowhere."""
        if self.given_up:
            return
        self.given_up = True
        self._attached.set()
        self.finish(code)

    async def close(self, code: Close = Close.STOPPING) -> None:
        """Finish within the limit, else end at once; every thread is joined."""
        self.finish(code)
        if self.socket is None:
            self.give_up(code)
        try:
            await asyncio.wait_for(self.done.wait(), self._limits.finish_s)
        except asyncio.TimeoutError:
            await self.cut_off()

    async def cut_off(self) -> None:
        """End at once: what is open is not finished, and the client is told so."""
        if self.code is not Close.MOVED:  # such a session goes on in another process
            self.code, self.error = Close.FAILED, self.error or _CUT_OFF
        self.given_up = True
        self._attached.set()
        await asyncio.to_thread(self._recognizer.close)

    def watch(self) -> None:
        """Apply the limits of idle time, absence and length; called once a second.

        One that is being finished has only that of absence: its client has nothing more to send.
        """
        now = time.monotonic()
        if self.socket is None and now - self.left_at > self._limits.resume_s:
            self.give_up(Close.LOST)
        if self._finishing:
            return
        if self.socket is not None and now - self._heard_at > self._limits.idle_s:
            self.finish(Close.IDLE)
        if now - self._opened_at > self._limits.longest_s:
            self.finish(Close.LONG)

    # --- the client's connection -----------------------------------------------------------------

    async def attach(self, socket: Socket, received: int = 0) -> None:
        """Write to ``socket`` from now on; first what a client with ``received`` lines lacks."""
        lost = [line for number, line in self._kept if number > received]
        self._attached.clear()
        self._sent = received + len(lost)
        self._kept.clear()  # whole before the first is sent: this connection may break off, too
        self._kept.extend(enumerate(lost, received + 1))
        self.socket, self.away = socket, False
        self._heard_at = time.monotonic()
        for line in lost:
            if not await self._write(socket, line):
                return
        if self.socket is socket:
            self._attached.set()

    def detach(self, socket: Socket) -> None:
        """Keep the lines that are not partial for a resume: ``socket`` is gone."""
        if self.socket is not socket:
            return
        self.socket, self.away = None, True
        self.left_at = time.monotonic()
        self._attached.clear()
        if isinstance(self.source, PushSource):
            self.source.interrupt("the client's connection was lost")
        if self.given_up:
            self._attached.set()

    # --- incoming --------------------------------------------------------------------------------

    def heard(self) -> None:
        """Note that the client sent something: the idle time begins anew."""
        self._heard_at = time.monotonic()

    @property
    def wants_faces(self) -> bool:
        """Whether the client asked for the place of the face."""
        return self._start.faces

    @property
    def several(self) -> bool:
        """Whether people are told apart."""
        return self._recognizer.options.people != "largest"

    @property
    def now(self) -> float:
        """The session's clock."""
        clock = self._recognizer.clock
        return 0.0 if clock is None else self._t0 + clock.now()

    async def push_audio(self, packet: Packet) -> str:
        """Push sound; the warning for its client, "" for none. Waits while the session is behind.

        Raises:
            ProtocolError: sound that was not announced, too long, or badly stamped in virtual time.
        """
        rate = self._start.rate
        if rate is None:
            raise ProtocolError("sound was not announced in start")
        if self.code is Close.MOVED:  # its client does not know yet
            return ""
        samples = np.frombuffer(packet.payload, "<i2").astype(np.int16, copy=False)
        if len(samples) / rate > _PUSH_S:
            raise ProtocolError(f"one message holds {_PUSH_S:g} s of sound at most")
        self.heard()
        if isinstance(self.source, QueuedSource):
            if packet.t is None:
                raise ProtocolError("with pace max every message has its t")
            if len(samples):
                await self._put(AudioBlock(packet.t, samples))
            return ""
        t = None if packet.t is None else packet.t - self._t0
        waited = 0.0
        while self.source.waiting_s > _BEHIND_S and waited < _BEHIND_S:
            await asyncio.sleep(0.05)
            waited += 0.05
        try:
            self.source.push_audio(samples, rate, t)
        except MmerError as problem:
            if t is None:
                return str(problem)
        else:
            return ""
        try:
            self.source.push_audio(samples, rate)
        except MmerError as problem:
            return str(problem)
        return "the stamp of sound jumps: it is stamped by its arrival"

    def wants_picture(self) -> bool:
        """Whether a picture that arrives now would be analysed; raises ProtocolError."""
        if not self._start.video:
            raise ProtocolError("pictures were not announced in start")
        self.heard()
        moved = self.code is Close.MOVED  # its client does not know yet
        return self.virtual or (not moved and self._thinning.takes(self.now))

    async def push_picture(self, image: Any, t: float | None) -> str:
        """Push a decoded picture, uint8 (H, W, 3) BGR; the warning for its client, "" for none."""
        if isinstance(self.source, QueuedSource):
            if t is None:
                raise ProtocolError("with pace max every message has its t")
            await self._put(VideoFrame(t, image))
            return ""
        with suppress(MmerError):
            self.source.push_frame(image, None if t is None else t - self._t0)
            return ""
        try:
            self.source.push_frame(image)
        except MmerError as problem:
            return str(problem)
        return "the stamp of a picture jumps: it is stamped by its arrival"

    async def _put(self, message: AudioBlock | VideoFrame) -> None:
        assert isinstance(self.source, QueuedSource)
        try:
            if self.source.full:
                await asyncio.to_thread(self.source.put, message)
            else:
                self.source.put(message)
        except MmerError as problem:
            raise ProtocolError(str(problem)) from problem

    # --- the session's thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with self._recognizer as recognizer:
                events = recognizer.events(stage_times=self._metrics.stage)
                clock = recognizer.clock
                end: SessionEnd | None = None
                try:
                    self._outputs.open(recognizer.info)
                    for event in events:
                        now = None if clock is None else clock.now()
                        if isinstance(event, Health):
                            self._note(event)
                        if isinstance(event, SessionEnd):
                            end = event
                        else:
                            self._outputs.write(event, now)
                        self._measure(event, now)
                finally:
                    self._outputs.close(end)
                    for text in self._outputs.last_words():
                        log.warning("%s", text)
        except MmerError as problem:
            self.error = self.error or str(problem)
        except Exception as problem:
            log.exception("a session failed")
            self.error = self.error or f"the session failed ({type(problem).__name__})"
        finally:
            if self.error:
                self.code = Close.FAILED
            self._loop.call_soon_threadsafe(self.done.set)

    def _note(self, health: Health) -> None:
        """Count what was dropped, before the client reads of it."""
        self._metrics.drops({} if self.health is None else self.health.drops, health.drops)
        self.health = health

    def _measure(self, event: Message, now: float | None) -> None:
        newest = event.newest if isinstance(event, EmotionEstimate) else None
        if now is not None and newest is not None and not self.given_up:
            self._metrics.capture_to_line(now - newest)

    def deliver(self, line: bytes, keep: bool) -> None:
        """Hand a line to the client's socket; waits until it is taken or the client given up."""
        text = line.rstrip(b"\n").decode("ascii")
        asyncio.run_coroutine_threadsafe(self._send(text, keep), self._loop).result()

    def tell(self, text: str) -> None:
        """Hand over a message that is no line, if the client is there."""
        socket = self.socket
        if socket is not None and self._attached.is_set():
            asyncio.run_coroutine_threadsafe(socket.send(text), self._loop).result()

    async def _send(self, text: str, keep: bool) -> None:
        while not self.given_up and not (self.socket and self._attached.is_set()):
            await self._attached.wait()
        socket = self.socket
        if self.given_up or socket is None:
            return
        self._sent += 1
        if keep:
            self._kept.append((self._sent, text))
        if not await self._write(socket, text):
            self.detach(socket)

    async def _write(self, socket: Socket, line: str) -> bool:
        """Send a line and count it; False where the client is gone or does not read."""
        sent = await socket.send(line)
        if sent:
            self._metrics.line()
        return sent


class _ToClient(Sink):
    """Lines for the client's socket: the first of a session's outputs."""

    def __init__(self, session: ServedSession, part: Part | None) -> None:
        self._session, self._part = session, part
        self._writer = part_writer(part)

    def open(self, info: SessionInfo) -> None:
        if self._part is None:
            self._session.deliver(self._writer.first(info), keep=True)
        else:  # the client has that line
            self.write(Notice(0.0, "warning", "session", self._part.notice), None)

    def write(self, event: Message, now: float | None) -> None:
        if line := self._writer.event(event, now):
            self._session.deliver(line, keep=not _partial(event))
        elif self._session.wants_faces and isinstance(event, FaceObservation):
            t0 = 0.0 if self._part is None else self._part.t0
            self._session.tell(_face(event, self._session.several, t0))

    def close(self, end: SessionEnd | None) -> None:
        if self._session.code is Close.MOVED:  # this part ends, not the session
            return
        if end is not None and (line := self._writer.event(end, None)):
            self._session.deliver(line, keep=True)


def _face(seen: FaceObservation, several: bool, t0: float = 0.0) -> str:
    """Where a followed face is in the frame of time ``t``: x, y, width, height in pixels."""
    box = None if seen.box is None else [round(float(x), 1) for x in seen.box]
    message = {"type": "face", "t": round(seen.t + t0, 3), "box": box}
    if several:
        message["person"] = seen.track
    return json.dumps(message, separators=(",", ":"))


def _partial(event: Message) -> bool:
    """Whether a line is worthless to a client that comes back later."""
    if isinstance(event, EmotionEstimate | Transcript):
        return event.partial
    return isinstance(event, Health)
