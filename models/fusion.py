"""What voice, words and face say together: the learned pool of opinions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, open_model
from mmer.models.engine import Engine
from mmer.models.labels import EMOTIONS, MODALITIES

INPUTS: Final = ("log_probs", "quality", "age_s", "present")
"""float32 (B, 3, 7) and three times (B, 3), in the order of MODALITIES."""
OUTPUTS: Final = ("logits", "shares")
"""float32 (B, 7) and (B, 3)."""
MIN_INFORMATION: Final = 0.01
"""Information of an opinion is at least this much, so that shares exist where all are flat."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one modality says in all.

    ``embedding`` is that of its newest evidence, (d,) or (T, d) as in ``Prediction``; the shipped
    fusion does without.
    """

    log_probs: NDArray[np.float64]  # shape (7,), normalised
    quality: float  # above 0, at most 1
    age_s: float  # of its newest evidence, 0 or more
    embedding: NDArray[np.float32] | None = None


def stacked(opinions: Mapping[str, Opinion]) -> dict[str, NDArray[np.float32]]:
    """Opinions by modality as the network's inputs, a batch of one.

    Raises:
        ValueError: there is none, or one of an unknown modality.
    """
    if not opinions or not set(opinions) <= set(MODALITIES):
        raise ValueError(f"expected opinions of some of {MODALITIES}, got {sorted(opinions)}")
    log_probs = np.full((1, len(MODALITIES), len(EMOTIONS)), -np.log(len(EMOTIONS)), np.float32)
    quality, age_s, present = np.zeros((3, 1, len(MODALITIES)), np.float32)
    for k, modality in enumerate(MODALITIES):
        if modality in opinions:
            opinion = opinions[modality]
            log_probs[0, k] = opinion.log_probs
            quality[0, k], age_s[0, k], present[0, k] = opinion.quality, opinion.age_s, 1
    return {"log_probs": log_probs, "quality": quality, "age_s": age_s, "present": present}


class FusionModel:
    """The learned fusion; immutable, safe to call from several threads.

    ``abstain_below`` is the confidence below which an answer is worth none, by the card.
    """

    def __init__(self, card: Card, engine: Engine) -> None:
        self.card = card
        self.provider = engine.provider
        self.abstain_below = card.abstain_below
        self._engine = engine

    @classmethod
    def load(cls, folder: Path | None = None, provider: str = "cpu") -> FusionModel:
        """Open fusion.json and its network in ``folder``; the shipped ones by default.

        On the CPU by default: it is so small that no other provider could be faster.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        return cls(*open_model(folder, "fusion", provider, INPUTS, OUTPUTS))

    def fuse(self, opinions: Mapping[str, Opinion]) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Fused log-probabilities (7,) and each opinion's share in them, sum 1.

        Raises:
            ValueError: no opinion, or one of an unknown modality.
        """
        out = self._engine.run(stacked(opinions))
        logits = out["logits"][0].astype(np.float64) / self.card.temperature
        logits -= logits.max()
        shares = {m: float(s) for m, s in zip(MODALITIES, out["shares"][0], strict=True)}
        return logits - np.log(np.exp(logits).sum()), {m: shares[m] for m in opinions}
