"""Absent modalities: neither their numbers nor their share may count."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmer.models.networks.fusions.fusion import Part

NEVER = -1e4
"""Added to what must not be chosen: its share is 0 in every floating-point format."""


def embeddings(parts: Sequence[Part], present: torch.Tensor) -> torch.Tensor:
    """All embeddings, (B, modalities, width); 0 where a modality is absent."""
    stacked = torch.stack([part.embedding for part in parts], dim=1)
    return stacked.masked_fill(present.unsqueeze(2) == 0, 0.0)


def log_posteriors(parts: Sequence[Part], present: torch.Tensor) -> torch.Tensor:
    """What each says alone, (B, modalities, classes), normalised; even where it is absent."""
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
