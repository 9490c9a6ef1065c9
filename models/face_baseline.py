"""Learned baseline of the face: log-probabilities relative to what the person showed before (ONNX).

It belongs to one face network, whose sha256 its card names, and is of no use with another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, card_path, load_card, open_network, weights_dir
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import log_softmax

NAME: Final = "face-baseline"
INPUTS: Final = ("log_probs", "mean", "probs", "progress")
"""float32 (B, 7) three times, and (B,)."""


def progress_of(
    weight: NDArray[np.floating] | float, prior_s: float, probs: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How far a baseline has come, (...): 0 where nothing is known, towards 1.

    Seconds seen over those and ``prior_s``, times the entropy in nats (1 at most) of the mean
    probabilities (..., 7): of a session that shows one emotion alone, nobody can tell whether it
    is the person or the emotion.
    """
    x = np.asarray(probs, np.float64)
    entropy = -(x * np.log(np.maximum(x, 1e-12))).sum(axis=-1)
    return np.asarray(weight / (prior_s + weight) * np.clip(entropy, 0.0, 1.0))


class FaceBaseline:
    """The network that corrects a face's answers; immutable, safe to call from any thread.

    ``prior_s`` is the weight of "nothing is known" against the seconds of face seen.
    """

    def __init__(self, card: Card, engine: Engine) -> None:
        self.card = card
        self.prior_s = card.number("prior_s")
        self._engine = engine

    @classmethod
    def load(cls, folder: Path | None = None) -> FaceBaseline:
        """Open face-baseline.json and its network in ``folder``, by default the shipped one.

        Raises:
            MmerError: a file is missing, damaged or of another kind.
        """
        path = card_path(folder, NAME)
        card = load_card(path)
        return cls(card, open_network(card, path, "cpu", INPUTS, outputs=("logits",)))

    @classmethod
    def of(cls, face: Card, folder: Path | None = None) -> FaceBaseline | None:
        """The one made for a face network, in ``folder`` or shipped; None where there is none.

        Raises:
            MmerError: as ``load``.
        """
        for place in (folder, weights_dir()):
            if place is None or not card_path(place, NAME).is_file():
                continue
            found = cls.load(place)
            if found.network == face.sha256:
                return found
        return None

    @property
    def network(self) -> str:
        """sha256 of the face network that it was made for."""
        encoders = self.card.setting("encoders")
        if not isinstance(encoders, dict) or not isinstance(encoders.get("face"), str):
            raise MmerError(f"card {self.card.name}: encoders is {encoders!r}, expected a table")
        return str(encoders["face"])

    def corrected(
        self,
        log_probs: NDArray[np.floating],
        mean: NDArray[np.floating],
        probs: NDArray[np.floating],
        progress: float,
    ) -> NDArray[np.float32]:
        """Log-probabilities (7,) for those of an item, (7,); see ``FaceBaselineNetwork``."""
        rows = (np.asarray(a, np.float32)[None] for a in (log_probs, mean, probs))
        inputs = dict(zip(INPUTS, (*rows, np.array([progress], np.float32)), strict=True))
        logits = self._engine.run(inputs)["logits"][0].astype(np.float64)
        return log_softmax(logits / self.card.temperature).astype(np.float32)
