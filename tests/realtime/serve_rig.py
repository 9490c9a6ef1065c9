"""A server in a thread of the test's own process, and raw clients for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import mmer
from mmer.realtime.serve.limits import Limits
from mmer.realtime.serve.protocol import pack
from mmer.realtime.serve.server import ServeOptions, Serving

TOKEN = "a-token-of-the-tests"
SHARED = mmer.SharedModels(provider="cpu")
"""Loaded once a test process."""


class Rig:
    """A running server; ``limits`` and ``defaults`` are as in `ServeOptions`."""

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        settings: dict[str, Any] = {"port": 0, "token": TOKEN, "defaults": {"asr": "none"}}
        settings |= {"limits": limits or Limits(), "offline": True, **options}
        self.serving = Serving(ServeOptions(**settings), SHARED)

    def __enter__(self) -> Rig:
        self.serving.__enter__()
        self.service = self.serving.app.state.service
        self._thread = threading.Thread(target=self.serving.run, name="server", daemon=True)
        self._thread.start()
        until = time.monotonic() + 30
        while not self.serving.server.started:
            assert time.monotonic() < until
            assert self._thread.is_alive()
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.serving.__exit__(*error)

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.serving.server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's event loop."""
        found = self.serving.server.servers[0].get_loop()
        assert isinstance(found, asyncio.AbstractEventLoop)
        return found

    @property
    def port(self) -> int:
        return self.serving.port

    @property
    def url(self) -> str:
        return self.serving.url

    def socket(self, path: str = "stream", **options: Any) -> ClientConnection:
        settings: dict[str, Any] = {"compression": None, "proxy": None, "max_size": None}
        return connect(f"ws://127.0.0.1:{self.port}/v1/{path}", **(settings | options))

    @contextmanager
    def started(self, **start: Any) -> Iterator[Stream]:
        """A socket whose session has started."""
        with self.socket() as socket:
            stream = Stream(socket)
            stream.say(type="start", token=TOKEN, **start)
            stream.await_type("started")
            yield stream

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def wait_for_sessions(self, count: int, within_s: float = 5.0) -> None:
        until = time.monotonic() + within_s
        while len(self.service.sessions) != count:
            assert time.monotonic() < until, [vars(s) for s in self.service.sessions.values()]
            time.sleep(0.02)


class Stream:
    """The test's side of a socket: everything that came, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.came: list[dict[str, Any]] = []

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def sound(self, samples: np.ndarray, t: float | None = None) -> None:
        self.socket.send(pack("audio", samples.astype("<i2").tobytes(), t))

    def picture(self, seq: int, t: float | None = None, data: bytes | None = None) -> None:
        self.socket.send(pack("video", jpeg() if data is None else data, t, seq))

    def next(self, timeout_s: float = 10.0) -> dict[str, Any]:
        message = json.loads(self.socket.recv(timeout=timeout_s))
        self.came.append(message)
        return message

    def await_type(self, *kinds: str, timeout_s: float = 15.0) -> dict[str, Any]:
        until = time.monotonic() + timeout_s
        while True:
            message = self.next(max(0.01, until - time.monotonic()))
            if message["type"] in kinds:
                return message

    def rest(self) -> int | None:
        """Everything until the server closes; its close code."""
        try:
            while True:
                self.next(30.0)
        except ConnectionClosed:
            return self.socket.close_code

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.came if message["type"] == kind]


def jpeg(width: int = 64, height: int = 48) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), 128, np.uint8))[1].tobytes()
