"""Attention over the modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.networks.fusions.fusion import Fused, Fusion, Part
from mmer.models.networks.fusions.masking import embeddings, masked_softmax

DROPOUT = 0.2


class Attention(Fusion):
    """tanh(W sum over modalities of a_m x_m), a = softmax of v . tanh(U x_m + u_m).

    The AT-Fusion of Poria et al. 2017; u_m, one vector a modality, lets a modality be believed by
    what it is, beside what it says. The shares are a. With one modality alone a is 1, and what
    computes it learns nothing.
    """

    uses = "embedding"

    def __init__(self, modalities: Sequence[str], width: int, classes: int) -> None:
        super().__init__(modalities, width, classes)
        self.look = nn.Linear(width, width, bias=False)
        self.kind = nn.Parameter(torch.zeros(len(self.modalities), width))
        self.score = nn.Linear(width, 1, bias=False)
        self.answer = nn.Sequential(
            nn.Linear(width, width), nn.Tanh(), nn.Dropout(DROPOUT), nn.Linear(width, classes)
        )

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        """See ``Fusion``."""
        there = embeddings(parts, present)
        scores = self.score((self.look(there) + self.kind).tanh()).squeeze(2)
        shares = masked_softmax(scores, present)
        return Fused(self.answer((shares.unsqueeze(2) * there).sum(dim=1)), shares)
