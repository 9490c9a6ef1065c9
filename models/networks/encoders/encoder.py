"""Encoder interface: prepared signals to steps and their summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import nn

from mmer.models.preparation.preparation import Preparation


class Encoded(NamedTuple):
    """An encoder's output for a batch of signals."""

    tokens: torch.Tensor
    """Steps over time, (B, T', width); T' may be fewer than the input's steps."""
    mask: torch.Tensor
    """1 where a step is there, 0 where it is padding, float (B, T')."""
    pooled: torch.Tensor
    """All steps in one, (B, width)."""


class Encoder(nn.Module):
    """Prepared signals in, steps and their summary out.

    ``forward`` takes the arrays of ``preparation`` in its order, then the mask float (B, T).
    Padding changes nothing: what a row gives does not depend on how long the others of its batch
    are. A row whose mask is all 0 gives finite numbers (its modality is absent; they are unused).
    """

    modality: ClassVar[str]
    """One of MODALITIES; "face" also covers encoders of whole frames."""
    sees: str = ""
    """Of modality "face": "faces" (aligned crops) or "frames" (whole images)."""
    preparation: Preparation[Any]
    width: int
    frozen: bool = False
    """Its weights stay as they are: its output for an item can be cached."""

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        raise NotImplementedError

    def fit(self, rows: Sequence[tuple[np.ndarray, ...]]) -> None:
        """Take from prepared training signals what no gradient teaches: by default nothing.

        Training calls it once before the first epoch (a mean and deviation to standardise by);
        what it learns belongs to the weights, as buffers.
        """

    def freeze(self) -> None:
        """Keep the weights as they are, dropout and batch statistics included."""
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Encoder:
        """As ``nn.Module.train``; a frozen encoder stays in evaluation mode."""
        super().train(mode and not self.frozen)
        return self


def masked_mean(tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, T, D) and (B, T) to the mean over the steps that are there, (B, D); 0 where none is."""
    weight = mask.unsqueeze(2)
    return (tokens * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
