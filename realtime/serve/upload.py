"""Endpoint that recognizes an uploaded media file: JSON lines as they come.

The file lies in a temporary folder of its own, which is removed however the request ends, and is
decoded by the same class as a file on the command line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from mmer.models.errors import MmerError, brief
from mmer.realtime.messages import Notice, SessionEnd
from mmer.realtime.open_sources import wanted_streams
from mmer.realtime.options import Options
from mmer.realtime.recognizer import Recognizer
from mmer.realtime.serve.connections import Connections
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import client_options
from mmer.realtime.serve.security import bearer
from mmer.realtime.serve.service import ENDING, Full, Service
from mmer.realtime.sinks.jsonl import LineWriter
from mmer.realtime.sources.media import MediaFile

log = logging.getLogger("mmer.serve")

_NUMBERS: Final = ("video_fps", "window_s", "hop_s", "hangover_s")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # as in JSON
_RETRY_S: Final = "10"


class Recognize:
    """``POST /v1/recognize``: an ASGI application, for the answer begins before the work ends."""

    def __init__(self, service: Service, connections: Connections) -> None:
        self._service = service
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(Request(scope, receive), send)
        except Full as full:
            self._service.metrics.refused("full")
            await problem(503, str(full), {"Retry-After": _RETRY_S})(scope, receive, send)
        except MmerError as error:
            await problem(422, str(error))(scope, receive, send)
        except HTTPException as error:
            await problem(error.status_code, error.detail)(scope, receive, send)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server has waited long enough for its end
            await self._break_off(Request(scope, receive))

    async def _answer(self, request: Request, send: Send) -> None:
        service = self._service
        if not service.token_is(bearer(request.headers)):
            service.metrics.refused("token")
            raise HTTPException(401, "the token is wrong or missing: Authorization: Bearer TOKEN")
        if not service.policy.stores:
            raise HTTPException(
                403, f"the server's policy is {service.policy.name}: a file would lie on its disk"
            )
        options = query_options(request.query_params)
        with service.job():
            try:
                folder = tempfile.mkdtemp(prefix="mmer-upload-")
            except OSError as error:
                raise _no_room(error) from error
            try:
                try:
                    receiving = asyncio.ensure_future(
                        received(request, Path(folder), service.limits)
                    )
                    with service.stopped_by_end(receiving.cancel):
                        file = await receiving
                except asyncio.CancelledError:
                    raise Full(ENDING) from None
                except OSError as error:
                    raise _no_room(error) from error
                whole = await self._recognize(request, send, file, options)
            except Full:
                raise
            except MmerError as error:
                raise MmerError(str(error).replace(f"{folder}{os.sep}", "")) from error
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, True)
        if whole:  # all is cleared away when the client sees the end
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            # the answer has begun: that it breaks off says that it is not whole
            await self._break_off(request)

    async def _break_off(self, request: Request) -> None:
        """Close the connection, and wait until it is: uvicorn complains of an answer that stops."""
        self._connections.abort(request.scope)
        with suppress(asyncio.TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(_left(request), 1.0)

    async def _recognize(
        self, request: Request, send: Send, file: Path, options: Mapping[str, Any]
    ) -> bool:
        """Stream the lines of ``file``; False where they are not all. Raises MmerError before."""
        service = self._service
        chosen = {**service.defaults, **options, "pace": "max"}
        settings = Options(source=str(file), offline=service.offline, **chosen)
        source = MediaFile(
            file,
            video_fps=settings.video_fps,
            wanted=wanted_streams(settings),
            largest_px=service.limits.frame_px,
        )
        recognizer = Recognizer(source, models=service.models, offline=service.offline, **chosen)
        try:
            await asyncio.to_thread(recognizer.prepare)
            return await self._stream(request, send, recognizer)
        finally:
            await asyncio.to_thread(recognizer.close)

    async def _stream(self, request: Request, send: Send, recognizer: Recognizer) -> bool:
        loop = asyncio.get_running_loop()
        stall_s, job_s = self._service.limits.stall_s, self._service.limits.job_s
        why = ""  # the answer is cut off
        headers = [(b"content-type", b"application/x-ndjson"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def body(line: bytes) -> None:
            message: Message = {"type": "http.response.body", "body": line, "more_body": True}
            await asyncio.wait_for(send(message), stall_s)

        def work() -> None:
            writer = LineWriter()
            events = recognizer.events()
            info = recognizer.info
            source = {**info.source, "kind": "file", "name": "upload"}
            lines = [writer.first(replace(info, source=source))]
            for event in events:
                if why and isinstance(event, SessionEnd):
                    event = Notice(event.t, "error", "server", f"{why}: the answer ends here")
                lines.append(writer.event(event, None) or b"")
                if text := b"".join(lines):
                    asyncio.run_coroutine_threadsafe(body(text), loop).result()
                lines = []

        async def leaving() -> None:
            await _left(request)
            recognizer.stop()

        def cut_off(reason: str) -> None:
            nonlocal why
            why = reason
            recognizer.stop()

        watching = asyncio.ensure_future(leaving())
        timer = loop.call_later(job_s, cut_off, f"the file took more than {job_s:g} s")
        try:
            with self._service.stopped_by_end(lambda: cut_off("the server ends")):
                await asyncio.to_thread(work)
        except (asyncio.TimeoutError, OSError):  # the client does not read, or has gone
            return False
        except Exception:
            log.exception("a file failed")
            return False
        finally:
            timer.cancel()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        return not why


async def _left(request: Request) -> None:
    """Wait until the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def received(request: Request, folder: Path, limits: Limits) -> Path:
    """The uploaded file, written to ``folder``: the body itself, or the form's field ``file``.

    Raises:
        HTTPException: too large (413), too slow (408), or no file in the form (400).
        ClientDisconnect: the client has gone.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limits.upload_bytes:
        raise _too_large(limits)
    until = time.monotonic() + limits.upload_s
    total = 0

    async def bounded() -> Message:
        nonlocal total
        wait_s = min(limits.piece_s, until - time.monotonic())
        try:
            message = await asyncio.wait_for(request.receive(), max(0.0, wait_s))
        except asyncio.TimeoutError:
            raise HTTPException(408, "the file comes too slowly") from None
        total += len(message.get("body", b""))
        if total > limits.upload_bytes:
            raise _too_large(limits)
        return message

    path = folder / "upload"
    incoming = Request(request.scope, bounded)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with incoming.form(max_files=1, max_fields=4) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise HTTPException(400, 'the form has no file in its field "file"')
            await asyncio.to_thread(_copy, upload, path)
        return path
    with path.open("wb") as file:
        async for piece in incoming.stream():
            file.write(piece)
    return path


def query_options(query: Mapping[str, str]) -> dict[str, Any]:
    """Options of a recognizer in a query; raises MmerError for wrong ones."""
    options: dict[str, Any] = dict(query)
    for name in _NUMBERS:
        if name in options:
            if not _NUMBER.fullmatch(options[name]):
                raise MmerError(f"{name} is {brief(options[name])!r}, expected a number")
            options[name] = float(options[name])
    return client_options(options)


def problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as JSON."""
    return JSONResponse({"error": text}, status, headers)


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file)


def _no_room(error: OSError) -> HTTPException:
    return HTTPException(507, f"the server cannot store the file: {error.strerror or error}")


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(413, f"a file has at most {limits.upload_bytes} bytes")
