"""Server process: address, token and TLS checked, then uvicorn around the application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette

from mmer.models.errors import MmerError
from mmer.realtime.serve.app import create_app
from mmer.realtime.serve.connections import Connections, protocols
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import MESSAGE_BYTES
from mmer.realtime.serve.security import names_of_this_machine
from mmer.realtime.serve.session_outputs import SessionOutputs
from mmer.realtime.serve.tls import Certificate, certificate
from mmer.realtime.shared_models import SharedModels
from mmer.realtime.sources.address import is_loopback

_ANY: Final = ("0.0.0.0", "::")  # hosts that are all addresses of this machine
_PLAIN: Final = "!$'()*,/:;=?@"  # in a query they stand for themselves, unlike + & % #
_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_HEADERS_BYTES: Final = 16 * 1024  # of one request
_LOOK_S: Final = 0.1  # between two looks at whether Ctrl-C came a second time
SWITCH_S: Final = 0.002
"""Python's turn of a thread: the event loop waits for it, and there are ten threads a session."""


@dataclass(frozen=True)
class ServeOptions:
    """Options of ``mmer-serve``. Raises MmerError for unsafe ones."""

    host: str = "127.0.0.1"
    port: int = 8765  # 0: any that is free
    token: str = "auto"
    tls: str | None = None  # "self-signed" or "CERT,KEY"
    names: tuple[str, ...] = ()  # by which it may be called, besides its own
    limits: Limits = field(default_factory=Limits)
    weights: Path | None = None
    provider: str = "auto"
    offline: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    outputs: SessionOutputs | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise MmerError(f"--port is {self.port}: it must lie between 0 and 65535")
        if not is_loopback(self.host):
            if self.tls is None:
                raise MmerError(
                    f"--host {self.host} lets other machines in, which needs --tls self-signed or "
                    "--tls CERT,KEY: without it anyone on the way could look and listen"
                )
            if self.token == "none":
                raise MmerError(f"--host {self.host} lets other machines in, which needs a token")
        if not (self.token in ("auto", "none") or len(self.token) >= 8):
            raise MmerError("--token is auto, none, or a text of at least 8 characters")
        if not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise MmerError("--token is of plain ASCII characters without spaces")
        if not self.host.isascii():
            raise MmerError(f"--host {self.host}: give its xn-- form")
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise MmerError(
                    f"--name {name!r} is no name of a machine: letters, digits, dots and dashes, "
                    "without http:// and port; of an international one its xn-- form"
                )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


class Server(uvicorn.Server):
    """uvicorn's server, which finishes the sessions before it closes their sockets."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._service = app.state.service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        draining = asyncio.ensure_future(self._service.drain())
        while not (draining.done() or self.force_exit):
            await asyncio.wait({draining}, timeout=_LOOK_S)
        if self.force_exit:
            draining.cancel()
            await asyncio.wait({draining})
            await self._service.cut_off()
        else:
            await draining
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves it out, and its task would end with a traceback
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # a second Ctrl-C does not wait; and none is raised again after an end in order
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


class Serving:
    """An opened address and the server that will answer there; a context manager.

    Raises MmerError (at entry) where the address cannot be had.
    """

    def __init__(self, options: ServeOptions, models: SharedModels | None = None) -> None:
        self.options = options
        self.token = _token(options.token)
        self._models = models or SharedModels(options.weights, options.provider)
        self._leaving = contextlib.ExitStack()
        self.certificate: Certificate | None = None

    def __enter__(self) -> Serving:
        options = self.options
        names = {"localhost"} if options.is_local else set(names_of_this_machine())
        called = () if options.host in _ANY else (options.host,)
        names |= {name.lower() for name in (*options.names, *called)}
        try:
            self._socket = _bind(options.host, options.port)
            self._leaving.callback(self._socket.close)
            self.port = int(self._socket.getsockname()[1])
            if options.tls is not None:
                folder = Path(self._leaving.enter_context(tempfile.TemporaryDirectory()))
                known = frozenset(names | _addresses(options.host))
                self.certificate = certificate(options.tls, known, folder)
            self.connections = connections = Connections(options.limits)
            self.app = create_app(
                token=self.token,
                hosts=names,
                models=self._models,
                limits=options.limits,
                defaults=options.defaults,
                offline=options.offline,
                outputs=options.outputs,
                connections=connections,
            )
            http, stream = protocols(connections)
            tls: dict[str, Any] = {}
            if self.certificate is not None:
                tls = {
                    "ssl_certfile": self.certificate.cert,
                    "ssl_keyfile": self.certificate.key,
                }
            config = uvicorn.Config(
                self.app,
                http=http,
                ws=stream,
                ws_max_size=MESSAGE_BYTES,
                ws_per_message_deflate=False,
                h11_max_incomplete_event_size=_HEADERS_BYTES,
                lifespan="on",
                log_config=None,
                access_log=False,  # addresses may hold the token
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=5,
                **tls,
            )
            _keep_tokens_out_of_logs()
            self.server = Server(config, self.app)
        except BaseException:
            self._leaving.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving.close()

    @property
    def url(self) -> str:
        """The page's address, the token in it."""
        query = f"?token={quote(self.token, safe=_PLAIN)}" if self.token else ""
        return f"{self.base_url}/{query}"

    @property
    def base_url(self) -> str:
        """Scheme, host and port."""
        host = self.options.host
        host = socket.gethostname() if host in _ANY else host
        shown = f"[{host}]" if ":" in host else host
        return f"{'http' if self.certificate is None else 'https'}://{shown}:{self.port}"

    def run(self) -> None:
        """Serve until a signal, in the main thread, or until ``server.should_exit``."""
        hangup = getattr(signal, "SIGHUP", None)
        main = threading.current_thread() is threading.main_thread()
        before = None if hangup is None or not main else signal.getsignal(hangup)
        if hangup is not None and before not in (None, signal.SIG_IGN):  # the terminal closes
            signal.signal(hangup, self.server.handle_exit)
        self.server.run(sockets=[self._socket])


def run(options: ServeOptions, open_browser: bool = False) -> int:
    """Load, print the address, serve until Ctrl-C; the exit status. Raises MmerError."""
    logging.basicConfig(level=logging.WARNING, format="mmer-serve: %(message)s")
    sys.setswitchinterval(SWITCH_S)
    with Serving(options) as serving:
        asyncio.run(serving.app.state.service.load())
        _announce(serving, open_browser)
        serving.run()
    return 0


def _announce(serving: Serving, open_browser: bool) -> None:
    print(serving.url, flush=True)
    if serving.certificate is not None:
        print(f"certificate SHA-256 {serving.certificate.sha256}", file=sys.stderr, flush=True)
    if open_browser:
        webbrowser.open(serving.url)


def _keep_tokens_out_of_logs() -> None:
    """Keep the token out of uvicorn's logs: the page's address and start messages hold it.

    Errors in a client's message go to that client alone.
    """
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def _token(wanted: str) -> str:
    if wanted == "auto":
        return secrets.token_hex(24)  # no dash, which an option's value must not begin with
    return "" if wanted == "none" else wanted


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises MmerError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # a name that cannot be one: an empty or long part
        raise MmerError(f"--host {host}: {getattr(error, 'strerror', None) or error}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        raise MmerError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
    return made


def _addresses(host: str) -> set[str]:
    """Addresses that a certificate has to name."""
    found = {"127.0.0.1", "::1"}
    if host not in _ANY:
        return found | {host}
    with contextlib.suppress(OSError):
        known = socket.getaddrinfo(socket.gethostname(), None)
        found |= {str(info[4][0]).split("%")[0] for info in known}
    return found
