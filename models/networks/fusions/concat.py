"""Concatenation: the usual late fusion of embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.networks.fusions.fusion import Fused, Fusion, Part
from mmer.models.networks.fusions.masking import embeddings, shares_of

DROPOUT = 0.2


class Concatenation(Fusion):
    """Embeddings side by side, then a network with one hidden layer of ``width`` units.

    An absent embedding is 0, and a flag says whether it is there. A matrix on embeddings and flags
    side by side is a sum of one linear map a modality, whose bias is the flag's column: so it is
    written here. A modality's share is the length of what it adds to the hidden layer.
    """

    uses = "embedding"

    def __init__(self, modalities: Sequence[str], width: int, classes: int) -> None:
        super().__init__(modalities, width, classes)
        self.enter = nn.ModuleList(nn.Linear(width, width) for _ in modalities)
        self.answer = nn.Sequential(nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(width, classes))

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        """See ``Fusion``."""
        there = embeddings(parts, present).unbind(dim=1)
        added = torch.stack(
            [enter(one) for enter, one in zip(self.enter, there, strict=True)], dim=1
        ) * present.unsqueeze(2)  # shape (B, modalities, width)
        amounts = torch.linalg.vector_norm(added, dim=2)
        return Fused(self.answer(added.sum(dim=1)), shares_of(amounts, present))
