"""The models of a run of ``mmer-train`` as ``mmer-export`` writes them: a preparation, a network.

What the preparation makes of a signal goes to the network with its mask. Each has the interface of
the shipped model of its modality; which of the two a card is of, ``mmer.models.loading`` tells.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, card_path, load_card, open_model
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.frames import SEES
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.opening import open_preparation
from mmer.models.preparation.preparation import Preparation, Said, stack
from mmer.models.preparation.text_style import TextStyle

THREADS: Final = min(4, os.cpu_count() or 1)
"""Of one network: transformers are a hundred times the size of the shipped networks."""

Model = TypeVar("Model", bound="Prepared")


class Prepared:
    """What the three have in common; immutable, safe to call from several threads.

    ``gives`` is what their predictions hold as ``embedding``: "tokens", (T, E), of a network made
    for a fusion that looks at steps, else "embedding", (E,). The steps (B, T, E) and their mask
    (B, T) are such a network's third and fourth output, by any name ("tokens" may be an input's).
    """

    modality: ClassVar[str]

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        self.card = card
        self.provider = engine.provider
        self._steps = engine.outputs[2:4]  # and their mask: where there are any
        self.gives = "tokens" if self._steps else "embedding"
        self.preparation = preparation
        self.engine = engine

    @classmethod
    def load(cls: type[Model], folder: Path | None = None, provider: str = "auto") -> Model:
        """Open MODALITY.json in ``folder``, its network and the files of its preparation.

        Raises:
            MmerError: a file is missing, damaged or of another kind; a package that the
                preparation needs is not installed; the provider cannot run.
        """
        path = card_path(folder, cls.modality)
        settings = load_card(path).setting("input")
        if not isinstance(settings, Mapping):
            raise MmerError(f"{path}: input must be a table, got {settings!r}; export it again")
        preparation = open_preparation(settings, path.parent)
        inputs = (*preparation.names, "mask")
        card, engine = open_model(folder, cls.modality, provider, inputs, threads=THREADS)
        return cls(card, engine, preparation)

    def _judge(self, raw: Any, usable: float = 1.0) -> Prediction:
        row = self.preparation(raw)
        if row is None:
            return Prediction.unknown()
        arrays = dict(zip(self.engine.inputs, stack([row]), strict=True))
        out = {name: array[0] for name, array in self.engine.run(arrays).items()}
        seen = out["embedding"]
        if self._steps:
            steps, mask = (out[name] for name in self._steps)
            seen = steps[mask > 0.5]
        return Prediction.from_logits(out["logits"], self.card.temperature, seen, usable)


class PreparedSpeech(Prepared):
    """``min_s`` is the shortest sound worth judging, in seconds."""

    modality = "speech"

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        super().__init__(card, engine, preparation)
        self.min_s = card.number("min_s")
        self._longest = round(card.number("max_s") * SAMPLE_RATE)

    def predict(self, samples: NDArray[np.int16]) -> Prediction:
        """Judge int16 (n,) at 16 kHz mono: of a longer sound the last max_s.

        Silence is ``Prediction.unknown()``; of a sound shorter than ``min_s``, ``usable`` is the
        share of it that is there.

        Raises:
            ValueError: not int16 (n,).
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise ValueError(f"expected samples int16 (n,), got {samples.dtype} {samples.shape}")
        usable = min(1.0, len(samples) / (self.min_s * SAMPLE_RATE))
        return self._judge(samples[-self._longest :], usable)


class PreparedText(Prepared):
    """``past_utterances`` is how many utterances before the last are read along."""

    modality = "text"

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        super().__init__(card, engine, preparation)
        self.past_utterances = card.count("past_utterances")

    def predict(
        self, text: str, past: Sequence[str] = (), style: TextStyle = "written"
    ) -> Prediction:
        """Emotion of an utterance after ``past``, the utterances before it, oldest first.

        These networks read every ``style`` alike. A text without a word gives
        ``Prediction.unknown()``.
        """
        past = past[max(0, len(past) - self.past_utterances) :]
        return self._judge(Said(text, tuple(past)))


class PreparedFace(Prepared):
    """Pictures in the order of time: of the face, or whole frames.

    ``sees`` is "faces" (crops aligned as ``geometry`` says) or "frames"; ``count`` how many
    pictures of a span the network takes at most, ``size`` their side in pixels.
    """

    modality = "face"
    usable_below: Final = 0.0

    def __init__(self, card: Card, engine: Engine, preparation: Preparation[Any]) -> None:
        super().__init__(card, engine, preparation)
        self.sees = str(card.setting("sees"))
        if self.sees not in SEES:
            raise MmerError(f"card {card.name}: sees is {self.sees!r}, use {' or '.join(SEES)}")
        self.count = int(card.number("count"))
        settings = preparation.settings()
        if settings["kind"] not in SEES:
            raise MmerError(f"card {card.name}: input {settings['kind']!r} is not of pictures")
        self.size = int(settings["size"])
        self.geometry = CropGeometry(self.size)

    def predict(self, pictures: NDArray[np.uint8]) -> Prediction:
        """Judge pictures uint8 (N, H, W, 3) BGR, or one, (H, W, 3).

        More than ``count`` are thinned evenly; no picture is ``Prediction.unknown()``.

        Raises:
            ValueError: another shape or type.
        """
        return self._judge(pictures[None] if pictures.ndim == 3 else pictures)
