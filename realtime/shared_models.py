"""Shared models: networks loaded once for any number of recognizers."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmer.models.cards.card import KINDS
from mmer.models.engine.batching import BatchingEngine
from mmer.models.errors import MmerError

if TYPE_CHECKING:
    from mmer.models.blazeface import BlazeFace
    from mmer.models.fusion import FusionModel
    from mmer.realtime.asr.interface import AsrModel
    from mmer.realtime.asr.registry import AsrEngine
    from mmer.realtime.asr.selection import Selection
    from mmer.realtime.choose import Choice


class SharedModels:
    """The networks of ``weights`` (None: the shipped ones) on ``provider``, loaded when asked for.

    ::

        models = mmer.SharedModels()
        first = mmer.Recognizer("a.mp4", models=models)
        second = mmer.Recognizer("b.mp4", models=models)

    Every recognizer has its own state; the networks, those of speech recognition and of the face
    detector too, lie in memory once. What comes at the same time for an encoder that is not in int8
    (of the shipped ones the face's) runs as one (``BatchingEngine``), by which a probability may
    differ in its last digits from that of a recognizer alone.
    """

    def __init__(self, weights: str | Path | None = None, provider: str = "auto") -> None:
        if weights is not None and not isinstance(weights, (str, os.PathLike)):
            raise MmerError(f"weights is {weights!r}, expected a folder")
        if not isinstance(provider, str):
            raise MmerError(f"provider is {provider!r}, expected text")
        self.weights = None if weights is None else Path(os.fsdecode(weights))
        self.provider = provider
        self._loaded: dict[str, Any] = {}
        self._asr: dict[Selection, Choice[AsrModel | None]] = {}
        self._asr_engines: dict[tuple[AsrEngine, tuple[Path, ...]], AsrModel] = {}
        self._locks = {name: threading.Lock() for name in (*KINDS, "asr", "blazeface")}

    def encoder(self, name: str, place: Path | None) -> Any:
        """The model "speech", "text" or "face", whose card is ``place`` (None: the shipped one).

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        from mmer.models.encoder import load_encoder

        with self._locks[name]:
            if name not in self._loaded:
                model: Any = load_encoder(name, place, self.provider)
                # in 8 bits, scaled by all that a run holds, an answer would depend on who else asks
                if model.card.precision != "int8":
                    model.engine = BatchingEngine(model.engine)
                self._loaded[name] = model
            return self._loaded[name]

    def asr(self, selection: Selection) -> Choice[AsrModel | None]:
        """The speech recognizer of a selection, loaded by the first who asks for that one.

        An engine that several selections have, as "auto" and its name, is loaded once.

        Raises:
            MmerError: it was asked for by name and cannot be loaded.
        """
        from mmer.realtime.asr.selection import load

        with self._locks["asr"]:
            if selection not in self._asr:
                self._asr[selection] = load(selection, self._asr_engine)
            return self._asr[selection]

    def _asr_engine(self, engine: AsrEngine, paths: tuple[Path, ...]) -> AsrModel:
        if (engine, paths) not in self._asr_engines:
            self._asr_engines[engine, paths] = engine.load(paths)
        return self._asr_engines[engine, paths]

    def blazeface(self) -> BlazeFace:
        """The face detector's network, which ships, on the CPU; raises MmerError."""
        from mmer.models.blazeface import BlazeFace

        with self._locks["blazeface"]:
            if "blazeface" not in self._loaded:
                self._loaded["blazeface"] = BlazeFace.load()
            loaded: BlazeFace = self._loaded["blazeface"]
            return loaded

    def fusion(self) -> FusionModel:
        """The fusion of ``weights``, on the CPU; raises MmerError as ``encoder`` does."""
        from mmer.models.fusion import FusionModel

        with self._locks["fusion"]:
            if "fusion" not in self._loaded:
                self._loaded["fusion"] = FusionModel.load(self.weights)
            loaded: FusionModel = self._loaded["fusion"]
            return loaded
