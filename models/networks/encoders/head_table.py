"""Registry of the heads that recipes name; importing it needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry

if TYPE_CHECKING:
    from mmer.models.networks.encoders.heads import Head


@dataclass(frozen=True)
class HeadEntry(Entry):
    """A head on an encoder's steps (``steps``), or on their summary."""

    steps: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


_HEADS: Final = "mmer.models.networks.encoders.heads"

HEADS: Final = Registry(
    "head",
    {
        "softmax": HeadEntry(f"{_HEADS}:SoftmaxHead", "one linear layer over the summary"),
        "ffn": HeadEntry(f"{_HEADS}:FeedForwardHead", "a hidden layer over the summary"),
        "lstm": HeadEntry(
            f"{_HEADS}:RecurrentHead", "an LSTM over the steps, its last state", steps=True
        ),
        "bilstm": HeadEntry(
            f"{_HEADS}:RecurrentHead",
            "an LSTM in both directions",
            steps=True,
            options={"bidirectional": True},
        ),
    },
)


def build_head(kind: str, inputs: int, classes: int, where: str) -> Head:
    """A head by its name in ``HEADS`` on an encoder of width ``inputs``.

    Raises:
        MmerError: no such head.
    """
    try:
        made = HEADS.load(kind)
    except MmerError as error:
        raise MmerError(f"{where}: {error}") from error
    head: Head = made(inputs, classes, **HEADS[kind].options)
    return head
