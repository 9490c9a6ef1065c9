"""Registry of the speech recognition engines: one entry an engine, read without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from mmer.models.preparation.text_style import TextStyle
from mmer.models.registry import Entry, Registry
from mmer.models.store.catalogue import Unavailable
from mmer.models.store.store import Store
from mmer.realtime.asr.interface import AsrModel


@dataclass(frozen=True, kw_only=True)
class AsrEngine(Entry):
    """An engine: its class takes the paths of ``assets``, in their order."""

    name: str
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
        module, _, kind = self.place.partition(":")
        made: AsrModel = getattr(import_module(module), kind)(*paths)
        return made

    def _need_package(self) -> None:
        if self.package and find_spec(self.package) is None:
            raise Unavailable(f"{self.name} needs the package: pip install {self.package}")


_ENTRIES: Final = (
    AsrEngine(
        "mmer.realtime.asr.moonshine:MoonshineModel",
        "Moonshine tiny-en (MIT): English with case and punctuation, whole utterances",
        "Jeffries et al. 2024",
        name="moonshine",
        style="asr",
        streams=False,
        assets=("moonshine-encoder", "moonshine-decoder", "moonshine-vocabulary"),
    ),
    AsrEngine(
        "mmer.realtime.asr.vosk:VoskModel",
        "Vosk small en-us (Apache-2.0): English bare words, online, with word times",
        name="vosk",
        style="bare",
        streams=True,
        assets=("vosk",),
        package="vosk",
    ),
)
ENGINES: Final = Registry("speech recognizer", {entry.name: entry for entry in _ENTRIES})
"""The engines, best final transcript first."""


def asr_names() -> tuple[str, ...]:
    """Values of ``--asr``."""
    return ("auto", *ENGINES, "none")


ASR_METAVAR: Final = "{" + ",".join(asr_names()) + "}"
"""The same, for the help of a command."""


def load_model(name: str, store: Store | None = None) -> AsrModel:
    """A named engine, its files fetched where they are missing.

    Raises:
        MmerError: an unknown name, or the engine cannot be had or loaded.
    """
    engine = ENGINES[name]
    return engine.load(engine.get(store or Store()))
