"""Bounded mailboxes between threads, each with a named delivery policy and its counters."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MONOTONIC: Final = time.monotonic
REMEMBERED: Final = 256
"""Utterances given back that are remembered: more than can wait in a box."""


class Delivery(Enum):
    """Policy for messages that come faster than they are taken (as in Microsoft psi)."""

    LOSSLESS = "lossless"
    """Nothing is dropped: the sender waits while the box is full."""

    LATEST = "latest only"
    """A new message replaces the one that waits."""

    LATEST_PARTIAL = "latest partial, finals lossless"
    """A message replaces a waiting ``partial`` one of the same subject; others wait."""

    LATEST_OF_EACH = "the latest of each subject, in turn"
    """As LATEST_PARTIAL, but in the place of the one replaced: who waits longest comes first."""

    GIVE_BACK = "latest partial, the oldest given back when full"
    """As LATEST_PARTIAL, but no sender waits: the oldest message gives way and is given back."""

    OLDEST_GIVES_WAY = "the oldest gives way when full"
    """No sender waits: the oldest message is dropped."""


_REPLACING: Final = (Delivery.LATEST_PARTIAL, Delivery.LATEST_OF_EACH, Delivery.GIVE_BACK)


class Closed(Exception):
    """The mailbox is closed and empty."""


class Mailbox(Generic[T]):
    """A bounded queue from one or more senders to one receiver.

    ``capacity`` is in messages (LATEST always holds one). ``dropped`` counts messages that a newer
    one replaced or displaced; ``waited_s`` is how long the message last taken had waited.
    ``given_back`` has the utterances whose end was given back, the newest ``REMEMBERED``.
    After ``close`` the receiver still gets what waits, then ``Closed``; ``abandon`` empties and
    closes at once, for a receiver that died.
    """

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        capacity: int = 256,
        seconds: Callable[[], float] = MONOTONIC,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a mailbox holds at least one message, not {capacity}")
        self.name = name
        self.delivery = delivery
        self.capacity = 1 if delivery is Delivery.LATEST else capacity
        self.dropped = 0
        self.waited_s = 0.0
        self.given_back: dict[int, None] = {}  # in order
        self._seconds = seconds
        self._closed = False
        self._waiting: deque[tuple[float, T]] = deque()  # (when it was put, message)
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._taken = threading.Condition(self._lock)

    def put(self, message: T) -> T | None:
        """Deliver by the policy; may wait for room; does nothing once the box is closed.

        Returns the message that gave way (GIVE_BACK): it is the sender's to answer.
        """
        with self._lock:
            if self._closed or self._replace(message):
                return None
            if self.delivery is Delivery.OLDEST_GIVES_WAY:
                while len(self._waiting) >= self.capacity:  # which the owner may have lowered
                    self._waiting.popleft()
                    self.dropped += 1
            gave_way = None
            if self.delivery is Delivery.GIVE_BACK and len(self._waiting) >= self.capacity:
                gave_way = self._give_back()
            while len(self._waiting) >= self.capacity and not self._closed:
                self._taken.wait()
            if not self._closed:
                self._waiting.append((self._seconds(), message))
                self._arrived.notify()
            return gave_way

    def _give_back(self) -> T:
        oldest = self._waiting.popleft()[1]
        self.dropped += 1
        utterance = getattr(oldest, "utterance", None)
        if utterance is not None and getattr(
            oldest, "final", not getattr(oldest, "partial", False)
        ):
            self.given_back[utterance] = None  # before the receiver takes what comes after it
            if len(self.given_back) > REMEMBERED:
                del self.given_back[next(iter(self.given_back))]
        return oldest

    def _replace(self, message: T) -> bool:
        """Queue ``message`` and remove the one that it replaces, if there is one."""
        if self.delivery is Delivery.LATEST and self._waiting:
            self._waiting[0] = (self._seconds(), message)
            self.dropped += 1
            return True
        if self.delivery in _REPLACING:
            for i in range(len(self._waiting) - 1, -1, -1):
                old = self._waiting[i][1]
                if _subject(old) == _subject(message):
                    if not getattr(old, "partial", False):
                        return False
                    if hasattr(message, "in_place_of"):
                        message = message.in_place_of(old)
                    put = self._waiting[i][0]  # the age of the oldest undelivered news
                    if self.delivery is Delivery.LATEST_OF_EACH:
                        self._waiting[i] = (put, message)
                    else:  # in the order of time
                        del self._waiting[i]
                        self._waiting.append((put, message))
                    self.dropped += 1
                    return True
        return False

    def get(self, timeout_s: float | None = None) -> T | None:
        """The oldest waiting message; None after ``timeout_s`` without one; raises Closed."""
        with self._lock:
            deadline = None if timeout_s is None else MONOTONIC() + timeout_s
            while not self._waiting and not self._closed:
                left = None if deadline is None else deadline - MONOTONIC()
                if left is not None and left <= 0:
                    return None
                self._arrived.wait(left)
            if self._waiting:
                put, message = self._waiting.popleft()
                self.waited_s = self._seconds() - put
                self._taken.notify()
                return message
            raise Closed(self.name)

    def holds(self, condition: Callable[[T], bool]) -> bool:
        """Whether a message waits for which ``condition`` is true."""
        with self._lock:
            return any(condition(message) for _, message in self._waiting)

    def close(self) -> None:
        """End the sending; what waits can still be taken."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()
            self._taken.notify_all()

    def abandon(self) -> None:
        """Drop what waits, wake every sender and accept nothing more: the receiver is gone."""
        with self._lock:
            self._waiting.clear()
        self.close()

    def age_s(self) -> float:
        """How long the oldest message has waited, in seconds; 0 when none waits."""
        with self._lock:
            now = self._seconds()
            return now - min((put for put, _ in self._waiting), default=now)

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)


def _subject(message: object) -> tuple[object, ...]:
    """Subject of a message, its own where it has one: a later one of the same replaces it."""
    if hasattr(message, "subject"):
        return (type(message), message.subject)
    names = ("utterance", "modality", "track", "person")
    return (type(message), *(getattr(message, name, None) for name in names))
