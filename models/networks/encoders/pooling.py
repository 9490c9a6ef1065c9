"""From steps over time to one vector."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import masked_mean


class MeanPooling(nn.Module):
    """The mean over the steps that are there, (B, T, width) to (B, width)."""

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mask float (B, T)."""
        return masked_mean(tokens, mask)


class FirstPooling(nn.Module):
    """The first step, (B, T, width) to (B, width): of a BERT, what stands for the whole text."""

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mask float (B, T)."""
        return tokens[:, 0] * mask[:, :1]


class AttentionPooling(nn.Module):
    """Each step as far as it matters, (B, T, width) to (B, width).

    Mirsamadi, Barsoum and Zhang 2017, "Automatic speech emotion recognition using recurrent neural
    networks with local attention".
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mask float (B, T)."""
        return (self.weights(tokens, mask).unsqueeze(2) * tokens).sum(dim=1)

    def weights(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """How much each step counts, (B, T), sum 1 where a step is there."""
        scores: torch.Tensor = self.score(tokens).squeeze(2) - 1e4 * (1 - mask)
        return scores.softmax(dim=1) * mask


def make_pooling(
    name: str, width: int, known: tuple[str, ...] = ("mean", "attention")
) -> nn.Module:
    """A pooling by its name.

    Raises:
        MmerError: it is none of ``known``.
    """
    if name not in known:
        raise MmerError(f"no pooling {name!r}; known are {', '.join(known)}")
    if name == "attention":
        return AttentionPooling(width)
    return FirstPooling() if name == "first" else MeanPooling()
