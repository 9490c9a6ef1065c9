"""The speech encoder: residual convolutions over log-mel, attention over time."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.labels import EMOTIONS
from mmer.models.networks.layers import Residual


class SpeechNetwork(nn.Module):
    """Normalised log-mel of any length in, class logits and an embedding out.

    Time is pooled into an attention-weighted mean and deviation (Okabe et al. 2018).
    """

    def __init__(
        self,
        bins: int = 64,
        widths: tuple[int, int, int] = (16, 32, 64),
        embedding: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        a, b, c = widths
        self.stem = nn.Sequential(
            nn.Conv2d(1, a, 5, 2, 2, bias=False), nn.BatchNorm2d(a), nn.ReLU()
        )
        self.body = nn.Sequential(
            Residual(a, a),
            Residual(a, b, 2),
            Residual(b, b),
            Residual(b, c, 2),
            Residual(c, c),
        )
        rows = -(-bins // 8)
        self.across = nn.Sequential(
            nn.Conv2d(c, embedding, (1, rows), bias=False), nn.BatchNorm2d(embedding), nn.ReLU()
        )
        self.attention = nn.Sequential(
            nn.Conv1d(embedding, 32, 1), nn.Tanh(), nn.Conv1d(32, 1, 1), nn.Softmax(dim=2)
        )
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * embedding, embedding), nn.ReLU()
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(embedding, len(EMOTIONS))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features float32 (B, T, bins); logits (B, 7), embedding (B, embedding)."""
        x = self.across(self.body(self.stem(features.unsqueeze(1)))).squeeze(3)  # (B, E, T/8)
        weight = self.attention(x)
        mean = (weight * x).sum(dim=2)
        variance = (weight * (x - mean.unsqueeze(2)).square()).sum(dim=2)
        embedding = self.project(torch.cat([mean, (variance + 1e-4).sqrt()], dim=1))
        return self.head(self.drop(embedding)), embedding
