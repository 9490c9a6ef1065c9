"""Checks of every request before it reaches an endpoint: Host, Origin, headers of the answer."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from mmer.realtime.serve.metrics import Metrics

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self' {sockets}; style-src 'self'; script-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self)",
}

_PLAIN: Final = re.compile(r"[\w.:\[\]-]+", re.ASCII)


def names_of_this_machine() -> frozenset[str]:
    """Names by which others may call it; addresses need no list."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name.split('.')[0]}.local"})


class HostAndOrigin:
    """Middleware: refuses names that are not ours, and pages of other sites.

    A page of another site that had its name point here (DNS rebinding) names itself in Host; an
    address in numbers cannot be pointed elsewhere, so those are always ours. ``Origin`` is what
    browsers send with sockets and with requests of other sites: it must be the Host itself.

    Args:
        app: what is protected.
        metrics: where refusals are counted.
        hosts: names (without a port) by which the server may be called, beside addresses.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        why = self._problem(headers)
        if not why:
            await self._app(scope, receive, _with_headers(send, headers["host"]))
            return
        self._metrics.refused(why)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close()  # before accept: 403
            return
        text = f"this {why} is not allowed; open the address that mmer-serve printed"
        await JSONResponse({"error": text}, 403)(scope, receive, _with_headers(send))

    def _problem(self, headers: Headers) -> str:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(_name(hosts[0])):
            return "host"
        origins = headers.getlist("origin")
        if not origins:
            return ""
        try:
            parts = urlsplit(origins[0])
        except ValueError:  # such as http://[
            return "origin"
        same = parts.netloc.lower() == hosts[0].lower() and parts.scheme in ("http", "https")
        return "" if same and len(origins) == 1 else "origin"

    def _is_ours(self, name: str | None) -> bool:
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True


def _name(host: str) -> str | None:
    """Name or address in a Host header, without port and brackets; None for nonsense."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _with_headers(send: Send, host: str = "") -> Send:
    # some browsers take 'self' for http alone
    sockets = f"ws://{host} wss://{host}" if _PLAIN.fullmatch(host) else ""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value.replace("{sockets}", sockets))
        await send(message)

    return sending


def bearer(headers: Any) -> str:
    """The token of an ``Authorization: Bearer`` header; "" where there is none."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
