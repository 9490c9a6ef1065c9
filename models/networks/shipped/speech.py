"""Speech network: log-mel to an ensemble of residual CNNs with attentive pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

from mmer.models.labels import EMOTIONS
from mmer.models.networks.layers import Residual


class AttentivePooling(nn.Module):
    """(B, C, T) to the attention-weighted mean and deviation over time, (B, 2 C).

    Okabe et al. 2018, "Attentive Statistics Pooling for Deep Speaker Embedding".
    """

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, 1, 1), nn.Softmax(dim=2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.attention(x)  # (B, 1, T)
        mean = (weight * x).sum(dim=2)
        variance = (weight * (x - mean.unsqueeze(2)).square()).sum(dim=2)
        return torch.cat([mean, (variance + 1e-4).sqrt()], dim=1)


class Spectral(nn.Module):
    """The spectrum as an image: residual 2-D convolutions, (B, T, bins) to (B, channels, T/8).

    A pattern is known at whatever pitch and formant it stands. ``fine`` halves the time step by
    step; without it, three times as fast, the first convolution reads every fourth frame.
    """

    def __init__(self, bins: int, widths: Sequence[int], channels: int, fine: bool) -> None:
        super().__init__()
        a, b, c = widths
        if fine:
            first = nn.Conv2d(1, a, 5, 2, 2, bias=False)
            blocks = [Residual(a, a), Residual(a, b, 2), Residual(b, b), Residual(b, c, 2)]
        else:
            first = nn.Conv2d(1, a, (7, 5), (4, 2), (3, 2), bias=False)
            blocks = [Residual(a, b, 2), Residual(b, b), Residual(b, c, (1, 2))]
        blocks.append(Residual(c, c))
        self.body = nn.Sequential(first, nn.BatchNorm2d(a), nn.ReLU(), *blocks)
        rows = -(-bins // 8)
        self.across = nn.Sequential(
            nn.Conv2d(c, channels, (1, rows), bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.across(self.body(features.unsqueeze(1))).squeeze(3)
        return out


class Branch(nn.Module):
    """A reader of the spectrum, pooled over time: logits (B, 7) and embedding (B, embedding)."""

    def __init__(self, reader: nn.Module, channels: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.reader = reader
        self.pool = AttentivePooling(channels)
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * channels, embedding), nn.ReLU()
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(embedding, len(EMOTIONS))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features float32 (B, T, bins)."""
        embedding = self.project(self.pool(self.reader(features)))
        return self.head(self.drop(embedding)), embedding


KINDS: Final = ("fine", "spectral")


class SpeechNetwork(nn.Module):
    """Normalised log-mel of any length in, class logits and an embedding out.

    An ensemble in one network: branches that start from different weights and read differently,
    each trained to be right alone (``each``); the logits are their mean, the embedding all of
    theirs, one after another.
    """

    def __init__(
        self,
        bins: int = 64,
        branches: Sequence[str] = KINDS,
        widths: Sequence[int] = (16, 32, 64),
        channels: int = 128,
        embedding: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if unknown := sorted(set(branches) - set(KINDS)):
            raise ValueError(f"unknown branches {unknown}; known are {', '.join(KINDS)}")
        self.branches = nn.ModuleList(
            Branch(
                Spectral(bins, widths, channels, fine=kind == "fine"),
                channels,
                embedding,
                dropout,
            )
            for kind in branches
        )

    def each(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of each branch (branches, B, 7), and the embedding (B, branches * embedding)."""
        logits, embeddings = zip(*(branch(features) for branch in self.branches), strict=True)
        return torch.stack(logits), torch.cat(embeddings, dim=1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features float32 (B, T, bins); logits (B, 7), embedding (B, branches * embedding).

        In training the logits of each branch (branches, B, 7) come third, for the loss.
        """
        logits, embedding = self.each(features)
        out = (logits.mean(dim=0), embedding)
        return (*out, logits) if self.training else out
