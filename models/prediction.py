"""Prediction of an encoder: calibrated log-probabilities and an embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


@dataclass(frozen=True, eq=False)
class Prediction:
    """Calibrated natural-log probabilities, float32 (7,) in the order of ``EMOTIONS``.

    ``embedding`` is the input of the network's last layer, float32 (d,), for a learned
    fusion; of a network made for a fusion of tokens (``mmer.models.fusion``), it is
    those tokens, (T, d). It is None where no network was asked.
    ``usable``, 0..1, is how far the input could be evaluated at all: 0 is no evidence,
    whatever the probabilities are.
    """

    log_probs: NDArray[np.float32]
    embedding: NDArray[np.float32] | None
    usable: float = 1.0

    @classmethod
    def from_logits(
        cls,
        logits: NDArray[np.float32],
        temperature: float,
        embedding: NDArray[np.float32] | None,
        usable: float = 1.0,
    ) -> Prediction:
        """From logits (7,), divided by the card's temperature (Guo et al. 2017)."""
        log_probs = log_softmax(logits.astype(np.float64) / temperature)
        return cls(log_probs.astype(np.float32), embedding, usable)

    @classmethod
    def unknown(cls) -> Prediction:
        """Of an input with nothing to evaluate: every emotion is as likely, ``usable`` is 0."""
        return cls(np.full(len(EMOTIONS), -np.log(len(EMOTIONS)), np.float32), None, 0.0)

    @property
    def label(self) -> str:
        """The likeliest emotion, the first of equally likely ones: no answer where usable is 0."""
        return EMOTIONS[int(self.log_probs.argmax())]

    @property
    def probs(self) -> NDArray[np.float32]:
        """Probabilities, float32 (7,)."""
        return np.exp(self.log_probs)
