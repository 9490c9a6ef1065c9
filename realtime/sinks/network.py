"""Network sinks: what they share. Sending runs in a thread of its own and never holds a session."""

from __future__ import annotations

import socket
import threading
from abc import abstractmethod
from typing import Final
from urllib.parse import urlsplit

from mmer.models.errors import MmerError
from mmer.realtime.mailbox import Closed, Delivery, Mailbox
from mmer.realtime.messages import EmotionEstimate, Message, SessionEnd, Transcript
from mmer.realtime.sinks.reports import Reports
from mmer.realtime.sinks.sink import SessionInfo, Sink

_WAITING: Final = 256
"""Most events that wait to be sent; of more, the oldest are dropped."""
_LAST_S: Final = 2.0
"""How long the end of a session waits for what is still to be sent."""


class Datagrams(Sink):
    """Sink that sends UDP datagrams to ``HOST:PORT``.

    ``packets`` makes those of an event. Of running estimates that wait, the newest is sent; finals
    and transcripts all are, while there is room. A receiver that is gone or a name that is not
    known is reported once, and once more when it is back.
    """

    def __init__(self, option: str, address: str) -> None:
        self._option = option
        self._host, self._port = host_and_port(option, address)
        self._where = address
        self._inbox: Mailbox[Message] | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self._reached: bool | None = None
        self._lost = 0
        self._reports = Reports()

    @abstractmethod
    def packets(self, event: Message) -> list[bytes]:
        """Datagrams of an estimate or final transcript."""

    def open(self, info: SessionInfo) -> None:
        self._lost = 0
        self._reached = None
        self._inbox = Mailbox(self._option, Delivery.LATEST_PARTIAL, _WAITING)
        self._thread = threading.Thread(target=self._work, args=(self._inbox,), daemon=True)
        self._thread.name = self._option
        self._thread.start()

    def write(self, event: Message, now: float | None) -> None:
        wanted = isinstance(event, EmotionEstimate) or (
            isinstance(event, Transcript) and not event.partial
        )
        if self._inbox is None or not wanted:
            return
        while len(self._inbox) >= _WAITING:
            self._inbox.get(timeout_s=0.0)
            self._lost += 1
        self._inbox.put(event)

    def close(self, end: SessionEnd | None) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is None or self._thread is None:
            return
        inbox.close()
        self._thread.join(_LAST_S)
        if lost := self._lost + len(inbox):
            self._reports.add(f"--{self._option}: {lost} results were not sent to {self._where}")

    def reports(self) -> list[str]:
        """Lines for the user since the last call."""
        return self._reports.take()

    def _work(self, inbox: Mailbox[Message]) -> None:
        try:
            while True:
                event = inbox.get()
                if event is not None:
                    for packet in self.packets(event):
                        self._send(packet)
        except Closed:
            return
        finally:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _send(self, packet: bytes) -> None:
        problem = ""
        for _ in range(2):
            try:
                self._connected().send(packet)
                break
            except ConnectionRefusedError:  # the answer to the packet before; this one has not gone
                problem = "nothing listens there"
            except OSError as error:
                problem = error.strerror or str(error)
                break
        reached = not problem
        if reached is not self._reached and (problem or self._reached is False):
            state = "listens again" if reached else f"{problem}; results go there all the same"
            self._reports.add(f"--{self._option} {self._where}: {state}")
        self._reached = reached

    def _connected(self) -> socket.socket:
        """Socket connected to the receiver, so that its machine's refusals are told."""
        if self._socket is None:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, where = found[0]
            made = socket.socket(family, kind, protocol)
            try:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                made.connect(where)
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket


def host_and_port(option: str, address: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT" ("[::1]:9000" for IPv6); raises MmerError for anything else."""
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # as the look-up does: a name with an empty or too long part
    except ValueError:  # UnicodeError is one
        host = port = None
    if not host or not port or address != parts.netloc or parts.username is not None:
        raise MmerError(f"--{option} {address!r}: expected HOST:PORT, such as 127.0.0.1:9000")
    return host, port
