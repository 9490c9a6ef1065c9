"""Heads on an encoder: steps or summary to class logits and an embedding."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.networks.encoders.encoder import Encoded
from mmer.models.networks.encoders.recurrent import MaskedLSTM


class Head(nn.Module):
    """An encoder's output to logits (B, classes) and an embedding (B, width)."""

    width: int

    def forward(self, encoded: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
        raise NotImplementedError


class SoftmaxHead(Head):
    """One linear layer over the pooled steps, which are the embedding (Devlin et al. 2019)."""

    def __init__(self, inputs: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = inputs
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(inputs, classes)

    def forward(self, encoded: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
        return self.out(self.drop(encoded.pooled)), encoded.pooled


class FeedForwardHead(Head):
    """A hidden layer over the pooled steps; it is the embedding."""

    def __init__(self, inputs: int, classes: int, hidden: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = hidden
        self.hidden = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, hidden), nn.ReLU())
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, classes)

    def forward(self, encoded: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.hidden(encoded.pooled)
        return self.out(self.drop(embedding)), embedding


class RecurrentHead(Head):
    """An LSTM over the steps (Hochreiter and Schmidhuber 1997); its last state is the embedding.

    ``bidirectional``: and one from the end to the start (Graves and Schmidhuber 2005).
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        hidden: int = 128,
        dropout: float = 0.1,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.lstm = MaskedLSTM(inputs, hidden, bidirectional)
        self.width = self.lstm.width
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(self.width, classes)

    def forward(self, encoded: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
        _, embedding = self.lstm(self.drop(encoded.tokens), encoded.mask)
        return self.out(self.drop(embedding)), embedding
