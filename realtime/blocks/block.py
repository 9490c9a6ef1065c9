"""Base class of the blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from mmer.realtime.messages import Message


class Block(Protocol):
    """Plain object with state of its own: no thread, no clock, no device.

    Subclass it for the defaults of a block without state, or match its three methods.
    """

    def push(self, message: Message) -> Sequence[Message]:
        """Process one message; return what follows from it, in order of time.

        Messages of other types are ignored.
        """

    def flush(self) -> Sequence[Message]:
        """Finish what is open at the end of the stream. Call ``reset`` before pushing again."""
        return ()

    def reset(self) -> None:
        """Forget the stream; keep the loaded models."""
        return


@runtime_checkable
class Sheds(Protocol):
    """Block that can leave out work where the runner is behind."""

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        """Have ``wanted`` called before and during work for a partial result: False leaves it out.

        Where ``late`` is true, a final result is made with the least work.
        """


@runtime_checkable
class Learns(Protocol):
    """A block that knows a person from one stream to the next."""

    def next_stream(self) -> None:
        """Forget the stream, but not the person."""


@runtime_checkable
class Cuts(Protocol):
    """A block that can leave an utterance open when it fails."""

    def cut(self) -> None:
        """Be as after a gap, without calling what has failed: no utterance is open."""


def run(block: Block, messages: Iterable[Message]) -> list[Message]:
    """Push all, flush, and return everything that came out."""
    out: list[Message] = []
    for message in messages:
        out.extend(block.push(message))
    out.extend(block.flush())
    return out
