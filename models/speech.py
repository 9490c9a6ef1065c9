"""What a voice says of the emotion: log-mel spectrum, a small ensemble of convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, open_model
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel


class SpeechModel:
    """The speech encoder; immutable, safe to call from several threads.

    ``min_s`` is the shortest sound worth judging, in seconds; a shorter one is set into silence.
    """

    def __init__(self, card: Card, engine: Engine) -> None:
        self.card = card
        self.provider = engine.provider
        self.min_s = card.number("min_s")
        self.engine = engine
        self._longest = round(card.number("max_s") * SAMPLE_RATE)
        self._least = round(self.min_s * SAMPLE_RATE)
        try:
            self._mel = LogMel(**card.setting("logmel"))
        except TypeError as error:
            raise MmerError(f"card {card.name}: logmel is not understood: {error}") from error

    @classmethod
    def load(cls, folder: Path | None = None, provider: str = "auto") -> SpeechModel:
        """Open speech.json and its network in ``folder``; the shipped ones by default.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        return cls(*open_model(folder, "speech", provider, inputs=("features",)))

    def predict(self, samples: NDArray[np.int16]) -> Prediction:
        """Judge int16 (n,) at 16 kHz mono, whatever its gain: of a longer sound the last max_s.

        Digital silence and no samples at all are ``Prediction.unknown()``; of a sound shorter than
        ``min_s``, ``usable`` is the share of it that is there. Whether a sound is speech is not
        judged: that is the voice detector's part.

        Raises:
            ValueError: not int16 (n,).
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise ValueError(f"expected samples int16 (n,), got {samples.dtype} {samples.shape}")
        samples = samples[-self._longest :]
        if not samples.any():
            return Prediction.unknown()
        usable = min(1.0, len(samples) / self._least)
        if usable < 1:
            samples = np.pad(samples, (0, self._least - len(samples)))
        out = self.engine.run({"features": self._mel(samples)[None]})
        logits, embedding = out["logits"][0], out["embedding"][0]
        return Prediction.from_logits(logits, self.card.temperature, embedding, usable)
