"""The encoders that recipes name: a table that is read without torch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from mmer.models.networks.encoders.encoder import Encoder


@dataclass(frozen=True)
class Entry:
    """``place`` is "module:Class" below this package; ``options`` are what the name stands for."""

    modality: str
    place: str
    summary: str
    paper: str
    options: Mapping[str, Any] = field(default_factory=dict)


ENCODERS: Final[Mapping[str, Entry]] = {}


def build_encoder(kind: str, options: Mapping[str, Any], where: str) -> Encoder:
    """An encoder by its name in ``ENCODERS``; ``options`` are its constructor's keywords.

    Raises:
        MmerError: no such encoder or option; what it needs is not installed or not on this machine.
    """
    if kind not in ENCODERS:
        raise MmerError(f"{where}: no encoder {kind!r}; known are {', '.join(ENCODERS)}")
    entry = ENCODERS[kind]
    module, name = entry.place.split(":")
    made = getattr(import_module(f"{__name__}.{module}"), name)
    known = set(inspect.signature(made).parameters)
    if unknown := sorted(set(options) - known):
        raise MmerError(
            f"{where}: {kind} has no {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    try:
        encoder: Encoder = made(**{**entry.options, **options})
    except TypeError as error:
        raise MmerError(f"{where}: {kind}: {error}") from error
    return encoder
