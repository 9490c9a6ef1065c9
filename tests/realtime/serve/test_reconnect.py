"""Reconnecting client: a server or proxy that is briefly away does not end the session."""

from __future__ import annotations

import json
import socket as sockets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

pytest.importorskip("websockets", reason="needs the extra: pip install 'mmer-live[serve]'")

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from mmer.models.errors import MmerError
from mmer.realtime.messages import SessionEnd
from mmer.realtime.serve import client_session
from mmer.realtime.sinks.jsonl import encoded, end_line

STARTED = {"type": "started", "resume": "key", "resumed": False, "credit": 2}
END = encoded(end_line(SessionEnd(1.0, 0, 4, {}))).decode()
Answer = int | str


class Stub:
    """Server whose first connection drops; each later one has the next of ``answers``.

    An answer is a status of HTTP, "breaks off" (of the handshake), or "closes" (before the session
    is started). After the last one the session is resumed and ends.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self.requests = 0

    def respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """Handshake of the next connection."""
        self.requests += 1
        answer = self._answer()
        if answer == "breaks off":
            connection.socket.shutdown(sockets.SHUT_RDWR)
        return connection.respond(answer, "stub") if isinstance(answer, int) else None

    def talk(self, connection: ServerConnection) -> None:
        """Session of a connection whose handshake has succeeded."""
        answer = self._answer()
        start = json.loads(connection.recv())
        if answer == "closes":
            return
        connection.send(json.dumps(STARTED))
        if answer == "drops":
            connection.socket.shutdown(sockets.SHUT_RDWR)
            return
        assert start["resume"] == "key"
        connection.send(END)

    def _answer(self) -> Answer:
        answers = ["drops", *self._answers, "resumes"]
        return answers[min(self.requests, len(answers)) - 1]


@contextmanager
def served(stub: Stub) -> Iterator[str]:
    """The address of ``stub``."""
    with serve(stub.talk, "127.0.0.1", 0, process_request=stub.respond) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/?token=x"
        server.shutdown()
        thread.join(10.0)


@pytest.mark.parametrize(
    "answers",
    [[500], [502], [503], [504], ["breaks off"], ["closes"], [503, "breaks off", 502, "closes"]],
    ids=str,
)
def test_what_passes_is_tried_again(answers: list[Answer]) -> None:
    stub = Stub(answers)
    with served(stub) as url, client_session.Session(url, video=True) as session:
        assert isinstance(list(session)[-1], SessionEnd)
        assert session.reconnects == 1
    assert stub.requests == len(answers) + 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_ends_the_session_at_once(status: int) -> None:
    stub = Stub([status])
    with (
        served(stub) as url,
        client_session.Session(url, video=True) as session,
        pytest.raises(client_session.Refused, match=f"does not take the connection: .*{status}"),
    ):
        list(session)
    assert stub.requests == 2


def test_it_is_tried_for_as_long_as_a_session_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_session, "RESUME_S", 0.5)
    stub = Stub([503] * 100)
    began = time.monotonic()
    with (
        served(stub) as url,
        client_session.Session(url, video=True) as session,
        pytest.raises(MmerError, match="did not come back"),
    ):
        list(session)
    assert 0.5 <= time.monotonic() - began < 5.0


def test_the_first_connection_is_not_tried_again() -> None:
    class Unavailable(Stub):
        def respond(self, connection: ServerConnection, request: Request) -> Response:
            self.requests += 1
            return connection.respond(503, "stub")

    stub = Unavailable([])
    with (
        served(stub) as url,
        pytest.raises(MmerError, match=r"does not take the connection: .*503"),
        client_session.Session(url, video=True),
    ):
        pass
    assert stub.requests == 1
