"""One session on a server: sound and pictures out, its messages in, through lost connections."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mmer.models.errors import MmerError
from mmer.realtime.messages import SessionEnd
from mmer.realtime.serve.lines import Event, event_of
from mmer.realtime.serve.protocol import CREDIT, RESUME_S, Close, pack

_PINGS: Final = 8  # the one with the shortest round trip tells the offset of the clocks
_PING_S: Final = 1.0
_DELAYS_S: Final = (0.1, 0.25, 0.5, 1.0)
_OPEN_S: Final = 10.0
_ENDED: Final = (Close.DONE, Close.STOPPING, Close.IDLE, Close.LONG)
_FOR_GOOD: Final = (Close.WRONG, Close.FAILED, Close.FULL, Close.TOKEN, Close.TAKEN)


@dataclass(frozen=True)
class Address:
    """A server, by the address that ``mmer-serve`` printed; raises MmerError for another."""

    stream: str  # ws:// or wss://
    token: str

    @classmethod
    def parse(cls, url: str, token: str | None = None) -> Address:
        """``http(s)://HOST:PORT/?token=TOKEN``; ``token`` in its place."""
        try:
            parts = urlsplit(url)
        except ValueError:  # such as http://[
            parts = urlsplit("")
        scheme = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}.get(parts.scheme)
        if scheme is None or not parts.netloc:
            raise MmerError(f"{url!r} is no server: expected http://HOST:PORT/?token=TOKEN")
        given = parse_qs(parts.query).get("token", [""])[0] if token is None else token
        path = parts.path.rstrip("/").removesuffix("/v1/stream")
        return cls(f"{scheme}://{parts.netloc}{path}/v1/stream", given)


class Session:
    """One session on a server; a context manager whose iterator yields its messages.

    ::

        with mmer.client.Session(url, rate=16_000) as session:
            def feed():
                try:
                    for samples in my_capture():  # int16 (n,), mono, 16 kHz
                        session.push_audio(samples)
                finally:
                    session.stop()

            threading.Thread(target=feed).start()
            for event in session:  # SessionEnd is the last
                print(event)

    ``push_audio``, ``push_picture``, ``push_text`` and ``stop`` may be called from any thread.
    A connection that is lost is opened again, and the session goes on, for as long as the server
    keeps it (30 s); what is pushed meanwhile is dropped.

    Args:
        url: the address that ``mmer-serve`` printed.
        token: in place of the one in ``url``.
        rate: of the sound, in samples a second; None: no sound.
        video: whether there will be pictures.
        options: of the recognizer: modalities, asr, detector, pace, video_fps, window_s, hop_s,
            hangover_s, baseline, people.
        watch: a name under which the overlay, ``/overlay``, may show the session's lines.
        tls: how a server with TLS is checked; default: as browsers do.
        sha256: of a self-signed certificate, as ``mmer-serve`` prints it, in place of ``tls``.

    Raises:
        MmerError: at entry where the server cannot be reached or refuses; while iterating where it
            ends the session with an error, or cannot be reached any more.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        rate: int | None = None,
        video: bool = False,
        options: Mapping[str, Any] | None = None,
        watch: str | None = None,
        tls: ssl.SSLContext | None = None,
        sha256: str | None = None,
    ) -> None:
        """See the class; the connection is opened at entry (``with``).

        ``rate`` is that of all sound of ``push_audio(samples, t)``; without it there is none.
        ``video`` announces ``push_picture(picture, t)``. ``stop()`` ends what is pushed.
        """
        self._address = Address.parse(url, token)
        self._start: dict[str, Any] = {"type": "start", "token": self._address.token}
        if rate is not None:
            self._start["audio"] = {"rate": rate}
        if video:
            self._start["video"] = {}
        if watch is not None:
            self._start["watch"] = watch
        self._start["options"] = dict(options or {})
        self._virtual = self._start["options"].get("pace") == "max"
        self._sha256 = None if sha256 is None else sha256.replace(":", "").lower()
        self._tls = _trusting() if sha256 is not None else tls
        self._connection: ClientConnection | None = None
        self._leaving = ExitStack()  # closes it
        self._resume = ""
        self.place = ""  # name of the process that has it, where there are several
        self._received = 0  # lines
        self._t = 0.0  # of the last one
        self._stopping = self._closed = False
        self._acked = threading.Condition()
        self._unacked = 0
        self._seq = 0
        self._pongs: deque[tuple[float, float]] = deque(maxlen=_PINGS)  # round trip, offset
        self._pinged_at = float("-inf")
        self.reconnects = 0
        self.dropped_pictures = 0

    def __enter__(self) -> Session:
        self._open({})
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- outgoing --------------------------------------------------------------------------------

    def push_audio(self, samples: NDArray[np.int16], t: float | None = None) -> bool:
        """Send sound, int16 (n,) mono; False where it was dropped, for the connection is away.

        ``t`` is when its first sample was captured, in seconds on the session's clock (``now``);
        None: it was captured on arrival. Raises MmerError for what is no such sound.
        """
        if not isinstance(samples, np.ndarray):
            raise MmerError(f"sound is int16 (n,), got {type(samples).__name__}")
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise MmerError(f"sound is int16 (n,), got {samples.dtype} {samples.shape}")
        return self._send(pack("audio", samples.astype("<i2").tobytes(), t))

    def push_picture(self, picture: NDArray[np.uint8] | bytes, t: float | None = None) -> bool:
        """Send a picture, uint8 (H, W, 3) BGR or a JPEG or PNG file; False where it was dropped.

        It is while the server has not taken the last two; in virtual time this waits for it.
        """
        with self._acked:
            if self._virtual:
                self._acked.wait_for(lambda: self._unacked < CREDIT or self._closed)
            if self._unacked >= CREDIT or self._closed:
                self.dropped_pictures += 1
                return False
            self._unacked += 1
            self._seq += 1
            seq = self._seq
        sent = False
        try:
            data = picture if isinstance(picture, bytes) else _encoded(picture, self._virtual)
            sent = self._send(pack("video", data, t, seq))
        finally:
            if not sent:  # also where it cannot be encoded: no ``ack`` will follow
                with self._acked:
                    self._unacked = max(0, self._unacked - 1)
        return sent

    def push_text(self, text: str) -> bool:
        """Send a typed text; a `JudgedText` answers it. False where it was dropped.

        The texts sent before are its context. One that is too long ends the session with an error.
        """
        return self._send(json.dumps({"type": "text", "text": text}))

    def stop(self) -> None:
        """End the stream: what is open is finished, and the messages end with `SessionEnd`."""
        self._stopping = True
        self._send('{"type":"stop"}')

    def ping(self) -> None:
        """Measure the offset of the clocks once more; done by itself every second of pushing."""
        self._pinged_at = time.monotonic()
        with suppress(ConnectionClosed):
            if self._connection is not None:
                self._connection.send(json.dumps({"type": "ping", "t": self._pinged_at}))

    def now(self, at: float | None = None) -> float | None:
        """The session's clock at ``at`` of ``time.monotonic()`` (None: now), in seconds.

        None until the server has answered a ping.
        """
        pongs = list(self._pongs)
        if not pongs:
            return None
        return (time.monotonic() if at is None else at) + min(pongs)[1]

    def _send(self, message: str | bytes) -> bool:
        connection = self._connection
        if connection is None or self._closed:
            return False
        if not self._virtual and time.monotonic() - self._pinged_at > _PING_S:
            self.ping()
        try:
            connection.send(message)
        except ConnectionClosed:
            return False
        return True

    # --- incoming --------------------------------------------------------------------------------

    def __iter__(self) -> Generator[Event, None, None]:
        if self._connection is None:
            raise MmerError("the session is not open: use it in a with statement")
        while not self._closed:
            try:
                message = self._connection.recv()
            except ConnectionClosed as closed:
                if not self._goes_on(closed):
                    return
                continue
            if isinstance(message, bytes):
                continue
            found = json.loads(message)
            if "v" in found:
                self._received += 1
                self._t = max(self._t, found.get("t", 0.0))
            event = self._heard(found)
            if event is not None:
                yield event
            if isinstance(event, SessionEnd):
                return

    def _heard(self, found: Mapping[str, Any]) -> Event | None:
        kind = found.get("type")
        if kind == "ack":
            with self._acked:
                self._unacked = max(0, self._unacked - 1)
                self._acked.notify_all()
        elif kind == "pong":
            now = time.monotonic()
            sent = float(found["t"])
            self._pongs.append((now - sent, float(found["session_t"]) - (sent + now) / 2))
            if len(self._pongs) < _PINGS:
                self.ping()
        elif kind == "error":
            self._closed = True
            raise MmerError(str(found.get("text")))
        else:
            return event_of(found)
        return None

    def _goes_on(self, closed: ConnectionClosed) -> bool:
        """Whether the session was resumed; False where it was closed here; raises MmerError."""
        code = None if closed.rcvd is None else closed.rcvd.code
        # of several processes one may have died: whoever is before it closes in its own way
        died = bool(self.place) and code in (Close.DONE, Close.FAILED)
        if self._closed:
            return False
        reason = "" if closed.rcvd is None else closed.rcvd.reason
        if code in _ENDED and not died:
            raise MmerError(f"the session ended before its last lines: {reason or f'code {code}'}")
        if (code in _FOR_GOOD and not died) or self._virtual:
            raise MmerError(reason or "the connection to the server was lost")
        if code == Close.MOVED:
            self.place = ""
        until = time.monotonic() + RESUME_S
        attempt = 0
        while time.monotonic() < until and not self._closed:
            time.sleep(_DELAYS_S[min(attempt, len(_DELAYS_S) - 1)])
            attempt += 1
            try:
                self._open({"resume": self._resume, "received": self._received, "t": self._t})
            except Refused:
                raise
            except MmerError:  # not reachable yet
                continue
            self.reconnects += 1
            if self._stopping:
                self.stop()
            return True
        if time.monotonic() < until:  # closed meanwhile
            return False
        raise MmerError("the connection to the server was lost, and it did not come back")

    def _open(self, resume: Mapping[str, Any]) -> None:
        """Connect and start or resume.

        Raises:
            Refused: the server will not have the session, also later.
            MmerError: nobody answers, or not as a server does: another try may succeed.
        """
        address = self._address.stream + (f"?place={quote(self.place)}" if self.place else "")
        leaving = ExitStack()
        try:
            connection = leaving.enter_context(
                connect(
                    address,
                    ssl=self._tls,
                    compression=None,
                    proxy=None,
                    open_timeout=_OPEN_S,
                    max_size=2**22,
                )
            )
        except InvalidHandshake as error:
            # a proxy says 502 or 503, or breaks off, while its server starts anew: no refusal
            status = error.response.status_code if isinstance(error, InvalidStatus) else 500
            failed = Refused if 400 <= status < 500 else MmerError
            raise failed(f"{address} does not take the connection: {error}") from error
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise MmerError(f"{address} cannot be reached: {error}") from error
        try:
            self._check_certificate(connection)
            connection.send(json.dumps({**self._start, **resume}))
            answer = json.loads(connection.recv(timeout=_OPEN_S + 20.0))
        except (ConnectionClosed, TimeoutError, ValueError) as error:
            leaving.close()
            raise MmerError(f"{address} does not answer as mmer-serve does: {error}") from error
        except BaseException:
            leaving.close()
            raise
        if answer.get("type") != "started":
            leaving.close()
            raise Refused(str(answer.get("text", "the server refused the session")))
        self._resume, self.place = answer["resume"], answer.get("place", "")
        with self._acked:
            self._unacked = 0
            self._acked.notify_all()
        self._pongs.clear()
        self._connection, before = connection, self._leaving
        self._leaving = leaving
        before.close()
        if not self._virtual:
            self.ping()

    def _check_certificate(self, connection: ClientConnection) -> None:
        if self._sha256 is None:
            return
        der = getattr(connection.socket, "getpeercert", lambda _: None)(True)
        if der is None or hashlib.sha256(der).hexdigest() != self._sha256:
            raise Refused("the server's certificate is not the one with this SHA-256")

    def close(self) -> None:
        """Leave; the server finishes the session. Harmless when repeated, from any thread."""
        self._closed = True
        with self._acked:
            self._acked.notify_all()
        self._leaving.close()


class Refused(MmerError):
    """The server answered and will not have the session."""


def _encoded(image: NDArray[np.uint8], lossless: bool) -> bytes:
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise MmerError(f"a picture is uint8 (H, W, 3) BGR, got {image.dtype} {image.shape}")
    kind, quality = (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not lossless:
        kind, quality = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90])
    done, data = cv2.imencode(kind, image, quality)
    if not done:
        raise MmerError("the picture cannot be encoded")
    return bytes(data.tobytes())


def _trusting() -> ssl.SSLContext:
    """TLS without a check, for a certificate that is compared by its SHA-256 instead."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
