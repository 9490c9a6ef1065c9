"""Registry of the speech recognition engines: one entry an engine, read without loading it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from mmer.models.errors import MmerError
from mmer.models.preparation.text_style import TextStyle
from mmer.models.store.catalogue import Unavailable
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import AsrModel


@dataclass(frozen=True)
class AsrEngine:
    """An engine: its class takes the paths of ``assets``, in their order."""

    name: str
    target: str  # "module:Class", imported when it is loaded
    summary: str
    style: TextStyle  # "asr": it writes punctuation and case
    streams: bool  # online: partial hypotheses without decoding again
    assets: tuple[str, ...]  # names in the store
    package: str = ""  # Python package that it needs beyond those of mmer itself

    def find(self, store: Store) -> tuple[Path, ...]:
        """The files on this machine; never connects. Raises Unavailable where one is missing."""
        self._need_package()
        found = [store.find(store.asset(name)) for name in self.assets]
        for name, path in zip(self.assets, found, strict=True):
            if path is None:
                raise Unavailable(f"{store.asset(name).file} is not on this machine")
        return cast(tuple[Path, ...], tuple(found))

    def get(self, store: Store) -> tuple[Path, ...]:
        """The files, fetched where they are missing; raises Unavailable."""
        self._need_package()
        return tuple(store.get(store.asset(name)) for name in self.assets)

    def load(self, paths: tuple[Path, ...]) -> AsrModel:
        """The model of these files; raises MmerError where they are damaged."""
        module, _, kind = self.target.partition(":")
        made: AsrModel = getattr(importlib.import_module(module), kind)(*paths)
        return made

    def _need_package(self) -> None:
        if self.package and find_spec(self.package) is None:
            raise Unavailable(f"{self.name} needs the package: pip install {self.package}")


_ENTRIES: Final = (
    AsrEngine(
        "moonshine",
        "mmer.realtime.asr.moonshine:MoonshineModel",
        "Moonshine tiny-en (MIT): English with case and punctuation, whole utterances",
        style="asr",
        streams=False,
        assets=("moonshine-encoder", "moonshine-decoder", "moonshine-vocabulary"),
    ),
    AsrEngine(
        "vosk",
        "mmer.realtime.asr.vosk:VoskModel",
        "Vosk small en-us (Apache-2.0): English bare words, online, with word times",
        style="bare",
        streams=True,
        assets=("vosk",),
        package="vosk",
    ),
)
ENGINES: Final[Mapping[str, AsrEngine]] = {entry.name: entry for entry in _ENTRIES}
ASR_NAMES: Final = ("auto", *ENGINES, "none")
"""What ``--asr`` may be."""
ASR_METAVAR: Final = "{" + ",".join(ASR_NAMES) + "}"
"""The same, for the help of a command."""


def load_model(name: str, store: Store | None = None) -> AsrModel:
    """A named engine, its files fetched where they are missing.

    Raises:
        MmerError: an unknown name, or the engine cannot be had or loaded.
    """
    if name not in ENGINES:
        raise MmerError(f"no speech recognizer {name!r}: use {' or '.join(ENGINES)}")
    engine = ENGINES[name]
    return engine.load(engine.get(store or Store()))
