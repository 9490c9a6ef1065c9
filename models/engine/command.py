"""What the subcommands of `mmer-engine` share: which networks they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeAlias

import tyro

from mmer.models.cards.card import Card, card_path, check_file, load_card
from mmer.models.engine.precision import Inputs
from mmer.models.engine.shapes import Lengths, lengths_of
from mmer.models.engine.stored_inputs import from_file, stored_inputs
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES

OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Models = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]


class Command(Protocol):
    """A subcommand: a frozen dataclass whose fields are its options."""

    def run(self) -> int:
        """Do it; the exit status. Raises MmerError for what the user can mend."""
        ...


@dataclass(frozen=True)
class Network:
    """One network with its card."""

    card: Card
    path: Path

    @property
    def lengths(self) -> Lengths | None:
        """Of its input's axis that is not fixed."""
        return lengths_of(self.card.modality, self.card.preprocessing)

    def inputs(self, file: Path | None) -> list[Inputs]:
        """Those of a file, else the stored ones (see ``stored_inputs``)."""
        if file is None:
            return stored_inputs(self.card, self.path.parent)
        from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine

        return from_file(file, OnnxRuntimeEngine(self.path).inputs)


def networks(
    weights: Path | None, names: Sequence[str], precision: str | None = None
) -> list[Network]:
    """The networks of those names in a folder, by default the shipped.

    No name: all three; for int8 speech and face, since that of words is in int8 by itself.

    Raises:
        MmerError: a name is unknown, a file is missing or damaged.
    """
    for name in names:
        if name not in MODALITIES:
            raise MmerError(f"unknown model {name!r}: use {', '.join(MODALITIES)}")
    found = []
    for name in names or (m for m in MODALITIES if precision != "int8" or m != "text"):
        place = card_path(weights, name)
        card = load_card(place)
        check_file(place.with_name(card.file), card.sha256)
        found.append(Network(card, place.with_name(card.file)))
    return found
