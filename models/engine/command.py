"""Options and networks of the subcommands of `mmer-engine`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import tyro

from mmer.models.bundle import Bundle
from mmer.models.cards.card import Card, card_path, check_file, load_card
from mmer.models.encoder import preparation_of
from mmer.models.engine.inputs_file import from_file
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.precision import Inputs
from mmer.models.errors import MmerError, described
from mmer.models.labels import MODALITIES
from mmer.models.preparation.preparation import Lengths, Preparation, examples

EXAMPLES: Final = 64
"""Inputs that engines are compared on, and calibrated by."""

OptionalFolder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
OptionalFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Models = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Network:
    """One network with its card and preparation."""

    card: Card
    path: Path
    preparation: Preparation[Any]

    @property
    def lengths(self) -> Lengths | None:
        """Of its inputs' axis that is not fixed."""
        return self.preparation.lengths()

    def inputs(self, file: Path | None) -> list[Inputs]:
        """Those of a file, else what the preparation makes of made-up signals.

        Raises:
            MmerError: the file cannot be read, or holds what the network does not take.
        """
        engine = OnnxRuntimeEngine(self.path)
        if file is None:
            return list(examples(self.preparation, engine.inputs, EXAMPLES))
        found = from_file(file, engine.inputs)
        for number, row in enumerate(found):
            try:
                engine.run(row)
            except Exception as error:  # ONNX Runtime's, of a wrong shape or type
                raise MmerError(
                    f"{file}: the {self.card.name} network takes no such input as number {number}: "
                    f"{described(error)}"
                ) from error
        return found


def networks(
    weights: Path | None, names: Sequence[str], precision: str | None = None
) -> list[Network]:
    """The networks of those names in a folder, by default the shipped.

    No name: all of speech, text and face; for int8 without those that are in int8 already.

    Raises:
        MmerError: a name is unknown, a file is missing or damaged; there is none.
    """
    for name in names:
        if name not in MODALITIES:
            raise MmerError(f"unknown model {name!r}: use {', '.join(MODALITIES)}")
    there = Bundle(weights).modalities
    found = []
    for name in names or there:
        place = card_path(weights, name)
        card = load_card(place)
        if not names and precision == card.precision == "int8":
            continue
        check_file(place.with_name(card.file), card.sha256)
        preparation = preparation_of(card, place.parent)
        found.append(Network(card, place.with_name(card.file), preparation))
    if not found:
        where = "the shipped networks" if weights is None else str(weights)
        what = "but those that are in int8 already" if there else "of speech, text or face"
        raise MmerError(f"{where}: there is no network {what}")
    return found
