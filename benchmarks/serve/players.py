"""Clients of a server under measurement: good ones that play a clip, and abusive ones."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from mmer.models.errors import MmerError
from mmer.realtime.clock import ManualClock
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, EmotionEstimate, SessionEnd, VideoFrame
from mmer.realtime.serve.client_session import Address, Session
from mmer.realtime.serve.protocol import pack
from mmer.realtime.sources.media import MediaFile

PACKET_S: Final = 0.04
SAME_PICTURE_S: Final = 0.005
"""Estimates whose faces are less far apart rest on one picture: a client has its time from ``t``
and ``age_s``, each rounded to 1 ms, so it varies by 2 ms. Pictures are 100 ms apart, and never
less than 16 ms."""
_FUZZERS: Final = 8  # threads
_CONNECTING: Final[Any] = {"compression": None, "proxy": None, "close_timeout": 0.5}


@dataclass(frozen=True)
class Material:
    """A clip as clients send it: packets of sound and JPEG pictures, each with its time."""

    seconds: float
    sound: Sequence[NDArray[np.int16]]
    pictures: Sequence[tuple[float, bytes]]

    @classmethod
    def of(cls, path: Path, fps: float) -> Material:
        """Decode and encode a media file; raises MmerError."""
        source = MediaFile(path, video_fps=fps)
        source.open(ManualClock())
        sound: list[NDArray[np.int16]] = []
        pictures: list[tuple[float, bytes]] = []
        for message in source.messages():
            if isinstance(message, AudioBlock):
                sound.append(message.samples)
            elif isinstance(message, VideoFrame):
                jpeg = cv2.imencode(".jpg", message.image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
                pictures.append((message.t, jpeg.tobytes()))
        source.close()
        samples = np.concatenate(sound)
        size = round(PACKET_S * SAMPLE_RATE)
        packets = [samples[k : k + size] for k in range(0, len(samples) - size, size)]
        return cls(len(samples) / SAMPLE_RATE, packets, pictures)


@dataclass
class Played:
    """What one good client saw."""

    delays_ms: list[float] = field(default_factory=list)  # newest picture to its line's arrival
    finals: int = 0
    end: SessionEnd | None = None
    error: str = ""
    dropped_pictures: int = 0

    @property
    def lost(self) -> bool:
        """Whether the session broke off, or a final line did not arrive."""
        return bool(self.error) or self.end is None or self.end.utterances != self.finals


class Player:
    """A good client that plays ``material`` over and over for ``seconds``."""

    def __init__(self, url: str, material: Material, seconds: float, start_s: float) -> None:
        self._url, self._material = url, material
        self._seconds, self._start_s = seconds, start_s
        self.played = Played()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def join(self) -> Played:
        """Wait for its end."""
        self._thread.join(self._seconds + 60.0)
        if self._thread.is_alive():
            self.played.error = "it hangs"
        return self.played

    def _run(self) -> None:
        time.sleep(self._start_s)
        session = Session(self._url, rate=SAMPLE_RATE, video=True)
        try:
            with session:
                feeding = threading.Thread(target=self._feed, args=(session,), daemon=True)
                feeding.start()
                self._read(session)
                feeding.join(10.0)
        except MmerError as problem:
            self.played.error = str(problem)
        self.played.dropped_pictures = session.dropped_pictures

    def _read(self, session: Session) -> None:
        newest = -1.0
        for event in session:
            if isinstance(event, SessionEnd):
                self.played.end = event
            if not isinstance(event, EmotionEstimate):
                continue
            self.played.finals += event.final
            face, now = event.modalities["face"], session.now()
            if face is not None and now is not None and face.t > newest + SAME_PICTURE_S:
                newest = face.t
                self.played.delays_ms.append(1000 * (now - face.t))

    def _feed(self, session: Session) -> None:
        until = time.monotonic() + 5.0
        while session.now() is None and time.monotonic() < until:
            time.sleep(0.01)
        began = time.monotonic()
        played = packet = picture = 0
        while (t := time.monotonic() - began) < self._seconds:
            sound, pictures = self._material.sound, self._material.pictures
            if (played + 1) * PACKET_S <= t:
                session.push_audio(
                    sound[packet % len(sound)], session.now(began + played * PACKET_S)
                )
                played, packet = played + 1, packet + 1
                continue
            turn, k = divmod(picture, len(pictures))
            due = turn * self._material.seconds + pictures[k][0]
            if due <= t:
                session.push_picture(pictures[k][1], session.now(began + due))
                picture += 1
                continue
            time.sleep(max(0.0, min((played + 1) * PACKET_S, due) - t))
        session.stop()


class Abuse:
    """Abusive clients, each in a thread, until ``stop``; which of them is the turn's number."""

    def __init__(self, url: str, count: int) -> None:
        self._address = Address.parse(url)
        self._stopped = threading.Event()
        self.turns = 0
        kinds: list[Callable[[random.Random], None]] = [
            self._never_read,
            self._flood_sound,
            self._flood_pictures,
            self._garbage,
            self._vanish,
            self._half_a_request,
        ]
        self._threads = [
            threading.Thread(target=self._go_on, args=(kinds[k % len(kinds)], k), daemon=True)
            for k in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them all."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(15.0)

    def _go_on(self, abuse: Callable[[random.Random], None], seed: int) -> None:
        rng = random.Random(seed)
        while not self._stopped.is_set():
            with suppress(WebSocketException, OSError, TimeoutError):
                abuse(rng)
            self.turns += 1
            self._stopped.wait(0.05)

    def _open(self, leaving: ExitStack, **options: Any) -> ClientConnection:
        made: ClientConnection = leaving.enter_context(
            connect(self._address.stream, **_CONNECTING, **options)
        )
        made.send(_start(self._address))
        return made

    def _never_read(self, rng: random.Random) -> None:
        with ExitStack() as leaving:
            made = self._open(leaving, max_queue=1)
            for k in range(500):
                made.send(json.dumps({"type": "ping", "t": k}))
                if self._stopped.wait(0.01):
                    return

    def _flood_sound(self, rng: random.Random) -> None:
        noise = pack("audio", rng.randbytes(16_000))
        self._flood(noise)

    def _flood_pictures(self, rng: random.Random) -> None:
        image = np.frombuffer(rng.randbytes(640 * 480 * 3), np.uint8).reshape(480, 640, 3)
        self._flood(pack("video", cv2.imencode(".jpg", image)[1].tobytes(), seq=1))

    def _flood(self, message: bytes) -> None:
        with ExitStack() as leaving:
            made = self._open(leaving)
            until = time.monotonic() + 3.0
            while time.monotonic() < until and not self._stopped.is_set():
                made.send(message)

    def _garbage(self, rng: random.Random) -> None:
        with ExitStack() as leaving:
            made = self._open(leaving)
            made.send(rng.randbytes(rng.randrange(300)))
            while True:
                made.recv(timeout=5.0)

    def _vanish(self, rng: random.Random) -> None:
        with ExitStack() as leaving:
            made = self._open(leaving)
            made.recv(timeout=5.0)
            made.socket.shutdown(socket.SHUT_RDWR)

    def _half_a_request(self, rng: random.Random) -> None:
        host = self._address.stream.split("/")[2]
        name, _, port = host.rpartition(":")
        with socket.create_connection((name.strip("[]"), int(port)), timeout=5) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localho"[: rng.randrange(1, 28)])
            self._stopped.wait(1.0)


def _start(address: Address) -> str:
    """The first message of a session with sound and pictures."""
    return json.dumps(
        {"type": "start", "token": address.token, "audio": {"rate": SAMPLE_RATE}, "video": {}}
    )


def open_and_close(url: str, count: int) -> None:
    """Open ``count`` sessions one after the other, each with some sound and a picture."""
    silence = np.zeros(SAMPLE_RATE // 10, np.int16)
    picture = np.zeros((48, 64, 3), np.uint8)
    for _ in range(count):
        with Session(url, rate=SAMPLE_RATE, video=True) as session:
            session.push_audio(silence)
            session.push_picture(picture)
            session.stop()
            for _ in session:
                pass


def fuzz(url: str, count: int, seed: int) -> int:
    """Send ``count`` messages, mutated from good ones, to sessions; how many sessions it took.

    A message in ten is mutated, so that a session sees some before one ends it; a pong after each
    of these says that all until then was taken in.
    """
    address = Address.parse(url)
    with ThreadPoolExecutor(_FUZZERS, thread_name_prefix="fuzz") as pool:
        shares = [count // _FUZZERS + (k < count % _FUZZERS) for k in range(_FUZZERS)]
        return sum(pool.map(lambda k: _fuzz(address, shares[k], seed + k), range(_FUZZERS)))


def _fuzz(address: Address, count: int, seed: int) -> int:
    rng = random.Random(seed)
    image = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()
    good = [
        pack("audio", rng.randbytes(640), 0.5),
        pack("audio", rng.randbytes(640)),
        pack("video", image, 1.0, 5),
        b'{"type":"ping","t":3}',
        b'{"type":"text","text":"so sad"}',
    ]
    sent = sessions = 0
    while sent < count:
        sessions += 1
        with (
            suppress(WebSocketException, OSError, TimeoutError),
            connect(address.stream, **_CONNECTING) as made,
        ):
            made.send(_start(address))
            for _ in range(min(500, count - sent)):
                message = bytearray(rng.choice(good))
                for _ in range(rng.choice((0,) * 18 + (1, 2))):
                    at = rng.randrange(len(message))
                    message[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
                data = bytes(message)
                made.send(data.decode("utf-8", "replace") if data[:1] == b"{" else data)
                sent += 1
                if data not in good:
                    made.send('{"type":"ping","t":7}')
                    while '"pong"' not in str(made.recv(timeout=20.0)):
                        pass
    return sessions
