"""Endpoint of the stream: one client's WebSocket, from its start message to its close."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from mmer.models.errors import MmerError
from mmer.realtime.serve.connections import Connections
from mmer.realtime.serve.limits import Bucket
from mmer.realtime.serve.protocol import (
    CREDIT,
    LONGEST_TEXT,
    Close,
    Packet,
    ProtocolError,
    Start,
    is_text,
    number,
    parse_start,
    parse_text,
    unpack,
)
from mmer.realtime.serve.service import Full, Service
from mmer.realtime.serve.session import ServedSession
from mmer.realtime.serve.tickets import NO_SUCH

log = logging.getLogger("mmer.serve")

_WARN_S: Final = 5.0  # between two warnings
_CONTEXT: Final = 8  # typed texts before one
_BY_CLIENT: Final = (1000, 1001)  # a client that closes so does not come back
_NO_CODE: Final = 1005  # RFC 6455: the connection ended without one


class Client:
    """A client's socket: everything that is sent to it goes through here."""

    def __init__(self, websocket: WebSocket, stall_s: float, connections: Connections) -> None:
        self._websocket = websocket
        self._stall_s = stall_s
        self._connections = connections
        self.gone = False
        self.taken = False  # another connection has resumed its session

    async def send(self, text: str) -> bool:
        if self.gone:
            return False
        try:
            await asyncio.wait_for(self._websocket.send_text(text), self._stall_s)
        except asyncio.TimeoutError:
            self._connections.abort(self._websocket.scope)  # a close frame would never leave
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass
        else:
            return True
        self.gone = True
        return False

    async def say(self, kind: str, **keys: Any) -> bool:
        """Send a message about the transport."""
        return await self.send(json.dumps({"type": kind, **keys}, separators=(",", ":")))

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a reason, which is cut to what a close frame holds."""
        if self.gone:
            return
        self.gone = True
        short = reason.encode(errors="replace")[:120].decode(errors="ignore")
        with suppress(WebSocketDisconnect, RuntimeError, OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._websocket.close(code, short), self._stall_s)

    async def refuse(self, code: int, reason: str) -> None:
        """Say what is wrong in full, then close."""
        await self.say("error", code=int(code), text=reason)
        await self.close(code, reason)


@asynccontextmanager
async def refusing(client: Client, service: Service) -> AsyncIterator[None]:
    """Refuse the client, with the reason, where the body raises MmerError; Full has its own code.

    A client that has left meanwhile ends the body, too.
    """
    try:
        yield
    except WebSocketDisconnect:
        pass
    except Full as full:
        service.metrics.refused("full")
        await client.refuse(Close.FULL, str(full))
    except MmerError as problem:
        service.metrics.refused("protocol")
        await client.refuse(Close.WRONG, str(problem))


async def serve(websocket: WebSocket, service: Service, connections: Connections) -> None:
    """Serve one connection to its end."""
    client = Client(websocket, service.limits.stall_s, connections)
    await websocket.accept()
    session = None
    async with refusing(client, service):
        session = await _started(websocket, client, service)
    if session is not None:
        with service.conversation():
            await Conversation(websocket, client, session, service).run()


async def _started(websocket: WebSocket, client: Client, service: Service) -> ServedSession | None:
    """The session that the start message asks for, attached; None where it was refused."""
    with service.pending():
        try:
            message = await asyncio.wait_for(websocket.receive(), service.limits.start_s)
        except asyncio.TimeoutError:
            raise ProtocolError(f"no start message within {service.limits.start_s:g} s") from None
        if message["type"] == "websocket.disconnect":
            return None
        start = parse_start(parse_text(message.get("text") or ""))
        if not service.token_is(start.token):
            service.metrics.refused("token")
            await client.refuse(Close.TOKEN, "the token is wrong: it is in the server's address")
            return None
    if start.resume is not None:
        session = service.sessions.get(start.resume)
        if session is None or session.given_up or session.done.is_set():
            session = await service.revive(start)
    else:
        session = await service.open(start)
    await _welcome(client, session, start, service)
    return session


async def _welcome(client: Client, session: ServedSession, start: Start, service: Service) -> None:
    place = {} if service.tickets is None else {"place": service.tickets.place}
    await client.say(
        "started",
        resume=session.key,
        resumed=start.resume is not None,
        credit=CREDIT,
        resume_s=service.limits.resume_s,
        **place,
    )
    before = session.socket
    if before is not None:
        assert isinstance(before, Client)
        before.taken = True
        session.detach(before)
    await session.attach(client, start.received if start.resume is not None else 0)
    if before is not None:  # after: it may not read, and meanwhile yet another one could come
        await before.close(Close.TAKEN, "the session was resumed by another connection")
    await session.ready()


class Conversation:
    """A started connection: sound, pictures and texts until either side ends it."""

    def __init__(
        self, websocket: WebSocket, client: Client, session: ServedSession, service: Service
    ) -> None:
        self._websocket = websocket
        self._client = client
        self._session = session
        self._service = service
        limits = service.limits
        self._messages = Bucket(limits.messages_per_s, 2 * limits.messages_per_s)
        self._bytes = Bucket(limits.bytes_per_s, 2 * limits.bytes_per_s)
        self._picture: Packet | None = None  # the newest that waits to be decoded
        self._picture_came = asyncio.Event()
        self._texts: deque[str] = deque(maxlen=_CONTEXT)
        self._warned_at = float("-inf")

    async def run(self) -> None:
        """Receive until the client leaves or the session ends; then close."""
        try:
            await self._converse()
        finally:
            self._session.detach(self._client)

    async def _converse(self) -> None:
        session, client = self._session, self._client
        receiving = asyncio.ensure_future(self._receive())
        decoding = asyncio.ensure_future(self._decode())
        ending = asyncio.ensure_future(session.done.wait())
        try:
            tasks = {receiving, decoding, ending}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not session.done.is_set():
                await self._ended_by(receiving if receiving.done() else decoding)
            if not client.gone:
                await ending
                await self._say_goodbye()
        finally:
            for task in (receiving, decoding, ending):
                task.cancel()
            await asyncio.gather(receiving, decoding, ending, return_exceptions=True)

    async def _ended_by(self, task: asyncio.Task[Any]) -> None:
        session, client = self._session, self._client
        try:
            code = task.result()
        except ProtocolError as problem:
            self._service.metrics.refused("protocol")
            await client.refuse(Close.WRONG, str(problem))
            session.detach(client)
            session.give_up(Close.WRONG)
            return
        if code is None:  # stop: its last lines follow
            session.finish()
            return
        client.gone = True
        session.detach(client)
        if code in _BY_CLIENT:
            session.give_up(Close.DONE)

    async def _say_goodbye(self) -> None:
        session, client = self._session, self._client
        if session.code is Close.LOST:  # it was given up in the moment in which its client came
            await client.refuse(Close.WRONG, NO_SUCH)
            return
        reasons = {
            Close.IDLE: f"nothing came for {self._service.limits.idle_s:g} s",
            Close.LONG: f"a session lasts {self._service.limits.longest_s:g} s at most",
            Close.STOPPING: "the server ends",
            Close.MOVED: "this process ends: resume the session in another one",
            Close.FAILED: session.error,
        }
        if session.error:
            await client.say("error", code=int(session.code), text=session.error)
        await client.close(session.code, reasons.get(session.code, ""))

    # --- incoming --------------------------------------------------------------------------------

    async def _receive(self) -> int | None:
        """Receive messages; the close code of a client that left, None after ``stop``."""
        while True:
            message = await self._websocket.receive()
            arrived = time.monotonic()
            if self._client.taken:  # what still waited here is not the session's
                return _NO_CODE
            if message["type"] == "websocket.disconnect":
                return int(message.get("code") or _NO_CODE)
            data, text = message.get("bytes"), message.get("text")
            if data is not None:
                await self._take_packet(unpack(data))
            elif await self._take_text(parse_text(text or ""), arrived):
                return None
            if not self._session.virtual:
                size = len(data if data is not None else text or "")
                wait_s = max(self._messages.take(1), self._bytes.take(size))
                if wait_s > 0:  # and meanwhile the socket is not read
                    await asyncio.sleep(min(wait_s, 5.0))

    async def _take_packet(self, packet: Packet) -> None:
        self._service.metrics.received(packet.kind)
        session = self._session
        if packet.kind == "audio":
            await self._warn(await session.push_audio(packet))
        elif not session.wants_picture():
            await self._ack(packet, dropped=True)
        elif session.virtual:
            await self._show(packet)
        else:
            older, self._picture = self._picture, packet
            self._picture_came.set()
            if older is not None:
                await self._ack(older, dropped=True)

    async def _take_text(self, message: dict[str, Any], arrived: float) -> bool:
        """Answer a text message; True for the one that ends the stream."""
        self._service.metrics.received("text")
        kind = message["type"]
        if kind == "stop":
            return True
        if kind == "ping":
            t = number(message.get("t"), "t")
            await self._client.say("pong", t=t, session_t=self._session.now)
        elif kind == "text":
            await self._classify(message.get("text"))
        else:
            raise ProtocolError('a text message is a "ping", "text" or "stop"')
        return False

    async def _classify(self, text: Any) -> None:
        if not is_text(text):
            raise ProtocolError(f"text must be a string of at most {LONGEST_TEXT} characters")
        self._session.heard()
        try:
            found = await self._service.classify_text(text, tuple(self._texts))
        except MmerError as problem:
            await self._warn(str(problem))
            return
        self._texts.append(text)
        await self._client.say("text", text=text, **found)

    # --- pictures --------------------------------------------------------------------------------

    async def _decode(self) -> None:
        """Decode and push the newest picture, over and over."""
        while True:
            await self._picture_came.wait()
            self._picture_came.clear()
            packet, self._picture = self._picture, None
            if packet is not None:
                await self._show(packet)

    async def _show(self, packet: Packet) -> None:
        try:
            image = await self._service.decode(packet.payload)
        except MmerError as problem:
            if self._session.virtual:
                raise ProtocolError(str(problem)) from problem
            await self._ack(packet, dropped=True)
            await self._warn(str(problem))
            return
        problem_text = await self._session.push_picture(image, packet.t)
        await self._ack(packet, dropped=False)
        await self._warn(problem_text)

    async def _ack(self, packet: Packet, dropped: bool) -> None:
        await self._client.say("ack", seq=packet.seq, dropped=dropped)

    async def _warn(self, text: str) -> None:
        """Tell the client of trouble that ends nothing, at most once every ``_WARN_S``."""
        if text and time.monotonic() > self._warned_at + _WARN_S:
            self._warned_at = time.monotonic()
            await self._client.say("warning", text=text)
