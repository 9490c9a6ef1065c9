"""Connections of the server, counted and timed: those that only hold a place are closed.

uvicorn limits neither how long a request may take to arrive nor how much waits for a client that
does not read; both are done here, on asyncio's own protocol methods.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from mmer.realtime.serve.limits import Limits

MOST_UNSENT: Final = 4 * 1024 * 1024
"""Bytes that may wait for a client; one that pings and never reads would fill the memory."""


@dataclass
class Connection:
    """An open connection."""

    transport: asyncio.Transport
    since: float = field(default_factory=time.monotonic)  # of being without a request
    requests: int = 0


class Connections:
    """Connections by the client's address and port, ``open``; for the event loop's thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.open: dict[Any, Connection] = {}

    def made(self, transport: asyncio.Transport) -> None:
        """Note a connection that was made, or handed from HTTP to a WebSocket."""
        peer = _peer(transport)
        if peer in self.open:
            return
        if len(self.open) >= self._limits.connections:
            transport.abort()
            return
        self.open[peer] = Connection(transport)

    def lost(self, transport: asyncio.Transport) -> None:
        """Forget a connection that has ended."""
        peer = _peer(transport)
        if peer in self.open and self.open[peer].transport is transport:
            del self.open[peer]

    def abort(self, scope: Scope) -> None:
        """Close the connection of a request at once, unsent bytes and all."""
        connection = self.open.get(tuple(scope.get("client") or ()))
        if connection is not None:
            connection.transport.abort()

    def sweep(self) -> None:
        """Close connections that have been without a request for too long."""
        oldest = time.monotonic() - self._limits.quiet_s
        for connection in list(self.open.values()):
            if not connection.requests and connection.since < oldest:
                connection.transport.abort()

    async def sweeping(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(min(1.0, self._limits.quiet_s / 2))
            self.sweep()

    def begun(self, scope: Scope) -> None:
        """Note that a request has arrived."""
        if connection := self.open.get(tuple(scope.get("client") or ())):
            connection.requests += 1

    def ended(self, scope: Scope) -> None:
        """Note that a request was answered."""
        if connection := self.open.get(tuple(scope.get("client") or ())):
            connection.requests -= 1
            connection.since = time.monotonic()


class Tracked:
    """Middleware that notes which connections have a request."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connections.begun(scope)
        try:
            await self._app(scope, receive, send)
        finally:
            self._connections.ended(scope)


def protocols(connections: Connections) -> tuple[type[H11Protocol], type[WebSocketsSansIOProtocol]]:
    """uvicorn's protocols for HTTP and WebSockets, whose connections are counted."""

    class Http(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections.made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.lost(self.transport)
            super().connection_lost(exc)

    class Stream(WebSocketsSansIOProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            connections.lost(self.transport)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.get_write_buffer_size() > MOST_UNSENT:
                self.transport.abort()
            else:
                super().data_received(data)

        def shutdown(self) -> None:
            try:
                super().shutdown()
            except InvalidState:  # it is closing already
                self.transport.close()

    return Http, Stream


def _peer(transport: asyncio.Transport) -> Any:
    peer = transport.get_extra_info("peername")
    return tuple(peer[:2]) if peer else id(transport)
