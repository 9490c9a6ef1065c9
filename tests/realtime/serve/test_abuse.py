"""Abusive clients: what they do costs nobody else anything."""

from __future__ import annotations

import json
import random
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from serve_rig import TOKEN, Rig, Stream
from sounds import silence, voice
from websockets.exceptions import WebSocketException

from mmer.realtime.serve.connections import Connections
from mmer.realtime.serve.limits import Bucket, Limits
from mmer.realtime.serve.protocol import Close, pack

START = json.dumps({"type": "start", "token": TOKEN, "audio": {"rate": 16_000}, "video": {}})
NOISE = np.random.default_rng(3).integers(-9000, 9000, 16_000).astype("<i2").tobytes()


class Good:
    """A client that speaks and listens as it should, in a thread of its own."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._ended = threading.Event()
        self.late_s: list[float] = []
        self.code: int | None = None
        self.finals = 0
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def talking(self) -> Iterator[Good]:
        """Meanwhile it is in its session."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join(30)
        assert self.code == Close.DONE
        assert self.finals >= 1

    def _run(self) -> None:
        with self._rig.started(audio={"rate": 16_000}) as stream:
            threading.Thread(target=self._speak, args=(stream,)).start()
            self.code = stream.rest()
        self.finals = sum(e["final"] for e in stream.of("emotion"))
        self.late_s = [e["latency_ms"] / 1000 for e in stream.of("emotion") if e["latency_ms"]]

    def _speak(self, stream: Stream) -> None:
        spoken = np.concatenate([voice(0.6), silence(0.4)])
        at = 0
        while not self._ended.is_set() or at < 2 * len(spoken):
            stream.sound(np.roll(spoken, -at)[:640])
            at += 640
            time.sleep(0.04)
        stream.say(type="stop")


def never_read(rig: Rig) -> None:
    """Sends, and leaves what comes in the socket."""
    with rig.socket(max_queue=1) as socket:
        socket.send(START)
        socket.recv()
        with suppress(WebSocketException):
            for k in range(4000):
                socket.send(json.dumps({"type": "ping", "t": k}))


def flood(rig: Rig) -> None:
    """Sound, much faster than time passes."""
    with rig.socket() as socket:
        socket.send(START)
        until = time.monotonic() + 1.0
        with suppress(WebSocketException):
            while time.monotonic() < until:
                socket.send(pack("audio", NOISE))


def flood_pictures(rig: Rig) -> None:
    with rig.socket() as socket:
        socket.send(START)
        until = time.monotonic() + 1.0
        with suppress(WebSocketException):
            while time.monotonic() < until:
                socket.send(pack("video", NOISE, seq=1))


def garbage(rig: Rig) -> None:
    """Random bytes, after a good start, over and over."""
    rng = random.Random(11)
    for _ in range(20):
        with suppress(WebSocketException), rig.socket() as socket:
            socket.send(START)
            socket.send(rng.randbytes(rng.randrange(200)))
            socket.recv()
            socket.recv()


def vanish(rig: Rig) -> None:
    """Goes away without closing."""
    for _ in range(4):
        with suppress(WebSocketException, OSError), rig.socket() as socket:
            socket.send(START)
            socket.recv()
            socket.socket.shutdown(sockets.SHUT_RDWR)


def hang_in_the_door(rig: Rig) -> None:
    """Connects and sends nothing, or half a request."""
    opened = []
    for k in range(40):
        made = sockets.create_connection(("127.0.0.1", rig.port))
        made.sendall(b"GET / HTTP/1.1\r\nHost: lo"[: k % 30])
        opened.append(made)
    time.sleep(0.5)
    for made in opened:
        made.close()


def nonsense_to_the_socket(rig: Rig) -> None:
    """Bytes that are no HTTP, and WebSocket frames that are none."""
    rng = random.Random(7)
    for _ in range(20):
        with sockets.create_connection(("127.0.0.1", rig.port)) as raw:
            raw.sendall(rng.randbytes(300))
    with suppress(WebSocketException, OSError), rig.socket() as socket:
        socket.send(START)
        socket.socket.sendall(rng.randbytes(5000))
        socket.recv()


def send_too_much_at_once(rig: Rig) -> None:
    with suppress(WebSocketException, OSError), rig.socket() as socket:
        socket.send(START)
        socket.send(b"\0" * 3_000_000)
        while True:
            socket.recv(timeout=5)


ABUSERS: list[Callable[[Rig], None]] = [
    never_read,
    flood,
    flood_pictures,
    garbage,
    vanish,
    hang_in_the_door,
    nonsense_to_the_socket,
    send_too_much_at_once,
]


@pytest.mark.slow
def test_abusive_clients_cost_a_good_one_nothing() -> None:
    with Rig(Limits(max_sessions=12, resume_s=1.0, stall_s=2.0)) as rig:
        good = Good(rig)
        with good.talking():
            time.sleep(0.5)
            threads = [threading.Thread(target=abuse, args=(rig,)) for abuse in ABUSERS]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
        # on a machine that does nothing else the 95th percentile is below 1 s: mmer-bench serve
        assert sorted(good.late_s)[len(good.late_s) // 2] < 3.0
        rig.wait_for_sessions(0, within_s=10)
        assert rig.request("GET", "/healthz")[0] == 200


def test_a_client_that_does_not_read_is_let_go() -> None:
    with Rig(Limits(stall_s=0.5, resume_s=1.0)) as rig:
        raw = sockets.create_connection(("127.0.0.1", rig.port))
        with rig.socket(sock=raw, max_queue=1, close_timeout=0.1) as socket:
            socket.send(START)
            assert json.loads(socket.recv())["type"] == "started"
            (connection,) = rig.serving.connections.open.values()
            transport = connection.transport
            # what a kernel buffers is some megabytes: as if they were full
            rig.loop.call_soon_threadsafe(transport.get_protocol().pause_writing)
            rig.wait_for_sessions(0, within_s=15)
            assert transport.is_closing()


def test_a_connection_without_a_request_is_closed() -> None:
    with Rig(Limits(quiet_s=1.0)) as rig, rig.started(video={}) as stream:
        with sockets.create_connection(("127.0.0.1", rig.port)) as raw:
            raw.sendall(b"GET /healthz HT")
            raw.settimeout(10)
            with suppress(ConnectionResetError):
                assert raw.recv(100) == b""
        stream.await_type("emotion")  # one with a session stays
        time.sleep(1.2)
        stream.await_type("emotion")


def test_only_so_many_connections_are_held() -> None:
    with Rig(Limits(connections=3)) as rig:
        held = [sockets.create_connection(("127.0.0.1", rig.port)) for _ in range(3)]
        time.sleep(0.1)
        with sockets.create_connection(("127.0.0.1", rig.port)) as one_more:
            one_more.settimeout(5)
            with suppress(ConnectionResetError):
                assert one_more.recv(10) == b""
        for made in held:
            made.close()


def test_connections_that_are_lost_are_forgotten(rig: Rig) -> None:
    connections = _connections(rig)
    for _ in range(5):
        rig.request("GET", "/healthz")
    with rig.started(video={}):
        assert len(connections.open) >= 1
    until = time.monotonic() + 5
    while len(connections.open) and time.monotonic() < until:
        time.sleep(0.02)
    assert len(connections.open) == 0


def _connections(rig: Rig) -> Connections:
    found = rig.serving.connections
    assert isinstance(found, Connections)
    return found


def test_a_bucket_lets_through_its_rate() -> None:
    now = [0.0]
    bucket = Bucket(10.0, 20.0, lambda: now[0])
    assert [bucket.take(10) for _ in range(3)] == [0.0, 0.0, 1.0]
    now[0] = 1.0
    assert bucket.take(0) == 0.0
    now[0] = 100.0
    assert [bucket.take(20), bucket.take(5)] == [0.0, 0.5]


@pytest.mark.parametrize("rounds", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_fuzzed_messages_end_one_session_at_most(rounds: int) -> None:
    """Seeded messages, mutated from good ones, to sockets beside one that must not notice."""
    rng = random.Random(23)
    good = [
        pack("audio", NOISE[:640], 0.5),
        pack("video", b"\xff\xd8\xff\xe0" + bytes(90), 1.0, 5),
        b'{"type":"ping","t":3}',
        b'{"type":"text","text":"so sad"}',
        b'{"type":"stop"}',
    ]
    with Rig(Limits(resume_s=0.2)) as rig, rig.started(video={}) as bystander:
        bystander.await_type("session")
        done = 0
        while done < rounds:
            with suppress(WebSocketException, OSError, TimeoutError), rig.socket() as socket:
                socket.send(START)
                for _ in range(50):
                    message = bytearray(rng.choice(good))
                    for _ in range(rng.choice([0, 0, 0, 1, 2])):
                        at = rng.randrange(len(message))
                        message[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
                    done += 1
                    as_text = message[:1] == b"{"
                    socket.send(
                        bytes(message).decode("utf-8", "replace") if as_text else bytes(message)
                    )
        bystander.say(type="ping", t=1)
        bystander.await_type("pong")
        bystander.say(type="stop")
        assert bystander.rest() == Close.DONE
        assert rig.request("GET", "/healthz")[0] == 200
