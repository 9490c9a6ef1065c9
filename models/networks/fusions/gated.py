"""The gated multimodal unit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.networks.fusions.fusion import Fused, Fusion, Part
from mmer.models.networks.fusions.masking import embeddings, masked_softmax

DROPOUT = 0.2


class Gated(Fusion):
    """h = sum over modalities of z_m * tanh(W_m x_m), gates z from all embeddings together.

    Arevalo et al. 2017, with gates that sum to 1 over the present modalities in every unit, as
    the paper's do for two (there z and 1 - z). A modality's share is the mean of its gates. One
    modality alone is let through whole, and its gates learn nothing.
    """

    uses = "embedding"

    def __init__(self, modalities: Sequence[str], width: int, classes: int) -> None:
        super().__init__(modalities, width, classes)
        n = len(self.modalities)
        self.enter = nn.ModuleList(nn.Linear(width, width) for _ in modalities)
        self.gate = nn.Linear(n * (width + 1), n * width)
        self.answer = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(width, classes))

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        """See ``Fusion``."""
        there = embeddings(parts, present)
        said = torch.stack(
            [enter(one) for enter, one in zip(self.enter, there.unbind(dim=1), strict=True)], dim=1
        ).tanh()
        scores = self.gate(torch.cat([there.flatten(1), present], dim=1)).view_as(there)
        gates = masked_softmax(scores, present)  # shape (B, modalities, width)
        return Fused(self.answer((gates * said).sum(dim=1)), gates.mean(dim=2))
