"""The text encoder: word-piece embeddings, convolutions side by side, two ways of pooling."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.labels import EMOTIONS

PAD = 0
"""The token that fills up a batch's shorter texts."""


class TextNetwork(nn.Module):
    """Tokens of any length in, class logits and an embedding out.

    Kernels of several widths read the text side by side (Kim 2014); time is pooled into an
    attention-weighted mean and a maximum. Each training corpus has a head of its own, since what
    one calls joy another calls neutral; without ``corpus`` the first head answers.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 64,
        channels: int = 64,
        kernels: tuple[int, ...] = (1, 3, 5),
        embedding: int = 128,
        dropout: float = 0.4,
        heads: int = 1,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, channels, k, padding=k // 2) for k in kernels
        )
        wide = channels * len(kernels)
        self.attention = nn.Conv1d(wide, 1, 1)
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * wide, embedding), nn.ReLU(), nn.Dropout(dropout)
        )
        self.drop = nn.Dropout(dropout / 2)
        self.head = nn.Linear(embedding, heads * len(EMOTIONS))

    def forward(
        self, tokens: torch.Tensor, corpus: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens int64 (B, T), T >= 1, and corpora int64 (B,); (B, 7) and (B, embedding)."""
        there = (tokens != PAD).unsqueeze(1)  # (B, 1, T)
        x = self.drop(self.words(tokens)).transpose(1, 2)
        x = torch.cat([torch.relu(c(x)) for c in self.convolutions], dim=1) * there
        weight = self.attention(x).masked_fill(~there, -1e4).softmax(dim=2)
        pooled = torch.cat([(weight * x).sum(dim=2), x.amax(dim=2)], dim=1)
        embedding = self.project(pooled)
        logits = self.head(embedding)
        classes = len(EMOTIONS)
        if corpus is None:
            return logits[:, :classes], embedding
        rows = torch.arange(len(tokens))
        return logits.reshape(len(tokens), -1, classes)[rows, corpus], embedding
