"""ASGI application: the stream, files, texts, metrics and the page; to be served or mounted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any, Final, TypeAlias

import anyio
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from mmer import __version__
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.asr.registry import asr_names
from mmer.realtime.policy import notice
from mmer.realtime.serve.connections import Connections, Tracked
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.openapi import DOCUMENT
from mmer.realtime.serve.protocol import (
    CLIENT_OPTIONS,
    CREDIT,
    LONGEST_TEXT,
    TEXT_BYTES,
    ProtocolError,
    is_text,
    parse_object,
)
from mmer.realtime.serve.security import HostAndOrigin, bearer
from mmer.realtime.serve.service import Service
from mmer.realtime.serve.session_outputs import SessionOutputs
from mmer.realtime.serve.stream import serve
from mmer.realtime.serve.tickets import Tickets
from mmer.realtime.serve.upload import Recognize, problem
from mmer.realtime.serve.watch import watch
from mmer.realtime.shared_models import SharedModels

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
Gather: TypeAlias = Callable[[bytes], Awaitable[bytes]]
_MOST_CONTEXT: Final = 32
_BODY_S: Final = 20.0


def create_app(
    *,
    token: str = "",
    hosts: Iterable[str] = ("localhost",),
    models: SharedModels | None = None,
    limits: Limits | None = None,
    defaults: Mapping[str, Any] | None = None,
    offline: bool = False,
    outputs: SessionOutputs | None = None,
    connections: Connections | None = None,
    tickets: Tickets | None = None,
    gather: Gather | None = None,
) -> Starlette:
    """The application; its ``state.service`` is the `Service`.

    Mounted in another application, that one runs its lifespan (``router.lifespan_context``).

    Args:
        token: that clients must give; "" for none.
        hosts: names by which it may be called, beside addresses in numbers.
        models: networks to share; default: the shipped ones.
        limits: what one client and all together may use.
        defaults: options of a recognizer where a client chooses none.
        offline: whether sessions may not download.
        outputs: what the streams' sessions write, besides the lines for their clients.
        connections: those of the server; default: unknown, and not limited.
        tickets: makes keys by which sessions of other processes go on in this one; default: none.
        gather: makes the metrics of all processes of those of this one; default: they are all.
    """
    service = Service(token, models, limits, defaults, offline, outputs, tickets)
    counted = Connections(service.limits) if connections is None else connections
    routes = Endpoints(service, gather)

    async def stream(websocket: WebSocket) -> None:
        with suppress(asyncio.CancelledError):  # the server has waited long enough for its end
            await serve(websocket, service, counted)

    async def overlay(websocket: WebSocket) -> None:
        with suppress(asyncio.CancelledError):
            await watch(websocket, service, counted)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with service.running():
            sweeping = asyncio.ensure_future(counted.sweeping())
            try:
                yield
            finally:
                sweeping.cancel()
                with suppress(asyncio.CancelledError):
                    await sweeping

    app = Starlette(
        routes=[
            Route("/", routes.page),
            Route("/overlay", routes.overlay),
            Route("/healthz", routes.healthz),
            Route("/metrics", routes.metrics),
            Route("/openapi.json", routes.openapi),
            Route("/v1/info", routes.info),
            Route("/v1/text", routes.text, methods=["POST"]),
            Route("/v1/recognize", Recognize(service, counted), methods=["POST"]),
            WebSocketRoute("/v1/stream", stream),
            WebSocketRoute("/v1/watch", overlay),
            Route("/page/{name}", routes.page_file),
        ],
        middleware=[
            Middleware(Tracked, connections=counted),
            Middleware(HostAndOrigin, metrics=service.metrics, hosts=tuple(hosts)),
        ],
        exception_handlers={HTTPException: _http_problem, MmerError: _user_problem},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


class Endpoints:
    """The HTTP endpoints that answer at once."""

    def __init__(self, service: Service, gather: Gather | None = None) -> None:
        self._service, self._gather = service, gather
        folder = resources.files("mmer.realtime.serve") / "page"
        self._files = {  # all there are: no name of a client is ever opened
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name.endswith(tuple(_TYPES))
        }

        policy = service.policy
        text = self._files["index.html"].decode()
        for written, meant in (
            ('data-policy="open"', f'data-policy="{policy.name}"'),
            ("Policy: open.", f"Policy: {policy.name}."),
            ("voice, words and face", policy.analysed),
        ):
            text = text.replace(written, meant)
        self._files["index.html"] = text.encode()

    def _check(self, request: Request, query: bool = False) -> None:
        given = bearer(request.headers) or (request.query_params.get("token", "") if query else "")
        if not self._service.token_is(given):
            self._service.metrics.refused("token")
            raise HTTPException(401, "the token is wrong or missing: Authorization: Bearer TOKEN")

    async def page(self, request: Request) -> Response:
        """The page; its token is in the address."""
        return self._page(request, "index.html")

    async def overlay(self, request: Request) -> Response:
        """The overlay page, for OBS and the like; its token is in the address."""
        return self._page(request, "overlay.html")

    def _page(self, request: Request, name: str) -> Response:
        try:
            self._check(request, query=True)
        except HTTPException:
            text = "Open the address that mmer-serve printed: it holds the token.\n"
            return PlainTextResponse(text, 401)
        return self._file(name)

    async def page_file(self, request: Request) -> Response:
        """A style or a script of the page: public, as their source is."""
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(404, "there is no such file")
        return self._file(name)

    def _file(self, name: str) -> Response:
        kind = _TYPES["." + name.rpartition(".")[2]]
        return Response(self._files[name], media_type=kind)

    async def healthz(self, request: Request) -> Response:
        """Whether the server takes sessions."""
        if self._service.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text."""
        self._check(request)
        text = self._service.metrics_text()
        if self._gather is not None:
            text = await self._gather(text)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    async def openapi(self, request: Request) -> Response:
        """The description of the HTTP part."""
        return JSONResponse(DOCUMENT)

    async def info(self, request: Request) -> Response:
        """Models, labels, options, limits and version."""
        self._check(request)
        limits = self._service.limits
        return JSONResponse(
            {
                "name": "mmer",
                "version": __version__,
                "labels": list(EMOTIONS),
                "modalities": list(MODALITIES),
                "models": self._service.loaded,
                "asr": list(asr_names()),
                "options": list(CLIENT_OPTIONS),
                "limits": {
                    "max_sessions": limits.max_sessions,
                    "idle_s": limits.idle_s,
                    "longest_s": limits.longest_s,
                    "resume_s": limits.resume_s,
                    "upload_bytes": limits.upload_bytes,
                    "frame_px": limits.frame_px,
                    "job_s": limits.job_s,
                    "credit": CREDIT,
                },
                "policy": self._service.policy.name,
                "notice": notice(self._service.policy.name),
            }
        )

    async def text(self, request: Request) -> Response:
        """Emotion of a typed text."""
        self._check(request)
        given = await _json(request)
        text, context = given.get("text"), given.get("context", [])
        if not is_text(text):
            raise HTTPException(422, f"text must be a string of at most {LONGEST_TEXT} characters")
        texts = isinstance(context, list) and all(is_text(said) for said in context)
        if not texts or len(context) > _MOST_CONTEXT:
            raise HTTPException(422, f"context is a list of {_MOST_CONTEXT} texts at most")
        return JSONResponse({"text": text, **await self._service.classify_text(text, context)})


async def _json(request: Request) -> dict[str, Any]:
    """The body's JSON object; raises HTTPException."""
    body = b""
    try:
        with anyio.fail_after(_BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > 8 * TEXT_BYTES:
                    raise HTTPException(413, f"a body has at most {8 * TEXT_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, "the body comes too slowly") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body ended early") from None
    try:
        return parse_object(body, "the body")
    except ProtocolError as error:
        raise HTTPException(400, str(error)) from error


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


async def _user_problem(request: Request, error: Exception) -> Response:
    return problem(422, str(error))
