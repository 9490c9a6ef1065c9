"""The shape that every block has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from mmer.realtime.messages import Message


class Block(Protocol):
    """A plain object with state of its own: no thread, no clock, no device."""

    def push(self, message: Message) -> Sequence[Message]:
        """Take one message; return what follows from it, in order of time."""
        ...

    def flush(self) -> Sequence[Message]:
        """The stream has ended: finish what is open. Call ``reset`` before pushing again."""
        ...

    def reset(self) -> None:
        """Forget everything of the stream; keep the loaded models."""
        ...


def run(block: Block, messages: Iterable[Message]) -> list[Message]:
    """Push all, flush, and return everything that came out."""
    out: list[Message] = []
    for message in messages:
        out.extend(block.push(message))
    out.extend(block.flush())
    return out
