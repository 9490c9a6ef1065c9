"""Fusion interface, and its handling of absent modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn


class Part(NamedTuple):
    """One modality's input to a fusion, of a batch."""

    logits: torch.Tensor
    """(B, classes), of the modality alone."""
    embedding: torch.Tensor
    """(B, width)."""
    tokens: torch.Tensor
    """(B, T, width); T differs from modality to modality."""
    mask: torch.Tensor
    """float (B, T)."""


class Fused(NamedTuple):
    """A fusion's output for a batch."""

    logits: torch.Tensor
    """(B, classes)."""
    shares: torch.Tensor
    """How much each modality counted, (B, modalities), 0 for an absent one; sum 1."""


class Fusion(nn.Module):
    """Parts of one or more modalities in, one answer out.

    What an absent modality's part holds changes nothing; with all present, the mask changes
    nothing. ``modalities`` are those of the run, in the order of the parts.
    """

    uses: str
    """Its input of each part: "logits", "embedding" or "tokens"; the rest may be anything."""

    def __init__(self, modalities: Sequence[str], width: int, classes: int) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.width, self.classes = width, classes

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        """``present`` float (B, modalities), 1 or 0; at least one 1 a row."""
        raise NotImplementedError


NEVER = -1e4
"""Added to what must not be chosen: its share is 0 in every floating-point format."""


def embeddings(parts: Sequence[Part], present: torch.Tensor) -> torch.Tensor:
    """All embeddings, (B, modalities, width); 0 where a modality is absent."""
    stacked = torch.stack([part.embedding for part in parts], dim=1)
    return stacked.masked_fill(present.unsqueeze(2) == 0, 0.0)


def log_posteriors(parts: Sequence[Part], present: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of each modality alone, (B, modalities, classes), even of an absent one."""
    stacked = torch.stack([part.logits for part in parts], dim=1)
    return stacked.masked_fill(present.unsqueeze(2) == 0, 0.0).log_softmax(dim=2)


def masked_softmax(scores: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Over axis 1 of (B, modalities, ...): 0 where a modality is absent."""
    there = present.reshape(*present.shape, *[1] * (scores.dim() - 2))
    return (scores + NEVER * (1 - there)).softmax(dim=1) * there


def shares_of(amounts: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Amounts of 0 or more as shares, (B, modalities): alike where all are 0; absent ones 0."""
    counted = (amounts + 1e-6) * present
    return counted / counted.sum(dim=1, keepdim=True)
