"""Speech network: Whisper's lower blocks, statistics over time, and an ensemble of heads."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.whisper import WIDTH, WhisperEncoder

POSITIONS = 200
"""Steps of 20 ms of the longest segment, 4 s."""


class Head(nn.Module):
    """Statistics (B, C) to an embedding (B, embedding) and logits (B, 7)."""

    def __init__(self, inputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, embedding), nn.ReLU())
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Linear(embedding, len(EMOTIONS))

    def forward(self, statistics: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.project(statistics)
        return self.classify(self.drop(embedding)), embedding


class SpeechNetwork(nn.Module):
    """Whisper's log-mel of any length to 4 s in, class logits and an embedding out.

    Mean and deviation over time of every block's output, each standardised over the training data
    (``standardise``), are what the heads classify. The heads start from different weights and are
    each trained to be right alone (``each``); the logits are their mean, the embedding all of
    theirs, one after another. Only the last ``tuned`` blocks and the heads are trained.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        blocks: int = 3,
        tuned: int = 0,
        heads: int = 4,
        embedding: int = 48,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.encoder = WhisperEncoder(blocks, POSITIONS).requires_grad_(False)
        self.encoder.blocks[blocks - tuned :].requires_grad_(True)
        inputs = 2 * blocks * WIDTH
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.heads = nn.ModuleList(Head(inputs, embedding, dropout) for _ in range(heads))

    @torch.no_grad()
    def standardise(self, statistics: torch.Tensor) -> None:
        """Bring each of the statistics (N, C) of training data to mean 0 and deviation 1."""
        self.mean.copy_(statistics.mean(dim=0))
        self.deviation.copy_(statistics.std(dim=0) + 1e-4)

    def statistics(self, features: torch.Tensor) -> torch.Tensor:
        """Mean and deviation over time of each block's output: float32 (B, 2 * blocks * 384)."""
        parts = []
        for x in self.encoder(features):
            mean = x.mean(dim=1)
            variance = (x - mean.unsqueeze(1)).square().mean(dim=1)
            parts += [mean, (variance + 1e-5).sqrt()]
        return torch.cat(parts, dim=1).float()

    def each(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of each head (heads, B, 7), and the embedding (B, heads * embedding)."""
        statistics = features if features.dim() == 2 else self.statistics(features)
        standard = (statistics - self.mean) / self.deviation
        logits, embeddings = zip(*(head(standard) for head in self.heads), strict=True)
        return torch.stack(logits), torch.cat(embeddings, dim=1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features float32 (B, T, 80); logits (B, 7), embedding (B, heads * embedding).

        In training the logits of each head (heads, B, 7) come third, for the loss, and where no
        block is tuned ``statistics`` may come in place of the features.
        """
        logits, embedding = self.each(features)
        out = (logits.mean(dim=0), embedding)
        return (*out, logits) if self.training else out
