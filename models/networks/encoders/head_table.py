"""The heads that recipes name: a table that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from mmer.models.networks.encoders.heads import Head


@dataclass(frozen=True)
class HeadEntry:
    """``name`` of a class in ``heads``; with ``steps`` it looks at steps, not at their summary."""

    name: str
    summary: str
    steps: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


HEADS: Final[Mapping[str, HeadEntry]] = {
    "softmax": HeadEntry("SoftmaxHead", "one linear layer over the summary"),
    "ffn": HeadEntry("FeedForwardHead", "a hidden layer over the summary"),
    "lstm": HeadEntry("RecurrentHead", "an LSTM over the steps, its last state", steps=True),
    "bilstm": HeadEntry(
        "RecurrentHead", "an LSTM in both directions", steps=True, options={"bidirectional": True}
    ),
}


def build_head(kind: str, inputs: int, classes: int, where: str) -> Head:
    """A head by its name in ``HEADS`` on an encoder of width ``inputs``.

    Raises:
        MmerError: no such head.
    """
    if kind not in HEADS:
        raise MmerError(f"{where}: no head {kind!r}; known are {', '.join(HEADS)}")
    from mmer.models.networks.encoders import heads

    made: Head = getattr(heads, HEADS[kind].name)(inputs, classes, **HEADS[kind].options)
    return made
