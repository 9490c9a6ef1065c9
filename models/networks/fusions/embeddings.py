"""Fusions of embeddings: concatenation, gates, attention over the modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.networks.fusions.fusion import (
    Fused,
    Fusion,
    Part,
    embeddings,
    masked_softmax,
    shares_of,
)

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
        there = embeddings(parts, present).unbind(dim=1)
        added = torch.stack(
            [enter(one) for enter, one in zip(self.enter, there, strict=True)], dim=1
        ) * present.unsqueeze(2)  # shape (B, modalities, width)
        amounts = torch.linalg.vector_norm(added, dim=2)
        return Fused(self.answer(added.sum(dim=1)), shares_of(amounts, present))


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
        there = embeddings(parts, present)
        said = torch.stack(
            [enter(one) for enter, one in zip(self.enter, there.unbind(dim=1), strict=True)], dim=1
        ).tanh()
        scores = self.gate(torch.cat([there.flatten(1), present], dim=1)).view_as(there)
        gates = masked_softmax(scores, present)  # shape (B, modalities, width)
        return Fused(self.answer((gates * said).sum(dim=1)), gates.mean(dim=2))


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
        there = embeddings(parts, present)
        scores = self.score((self.look(there) + self.kind).tanh()).squeeze(2)
        shares = masked_softmax(scores, present)
        return Fused(self.answer((shares.unsqueeze(2) * there).sum(dim=1)), shares)
