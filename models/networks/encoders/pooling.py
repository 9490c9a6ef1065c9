"""Pooling of steps over time to one vector: mean, first, attention of one or several heads."""

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


class MultiHeadPooling(nn.Module):
    """Attention of several heads whose queries are learned, (B, T, width) to (B, width).

    Pooling by multi-head attention (Lee et al. 2019, "Set Transformer") with one seed; the
    attention is that of Vaswani et al. 2017.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise MmerError(f"{heads} heads do not divide a width of {width}")
        self.query = nn.Parameter(torch.randn(heads, width // heads))
        self.key = nn.Linear(width, width, bias=False)  # the same for all steps: no say
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mask float (B, T)."""
        values = self.value(tokens).unflatten(2, self.query.shape)  # (B, T, heads, d)
        weights = self.by_head(tokens, mask).transpose(1, 2).unsqueeze(3)  # (B, T, heads, 1)
        pooled: torch.Tensor = self.out((weights * values).sum(dim=1).flatten(1))
        return pooled

    def weights(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """How much each step counts, the mean of the heads, (B, T); sum 1 where a step is there."""
        return self.by_head(tokens, mask).mean(dim=1)

    def by_head(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """How much each step counts for each head, (B, heads, T)."""
        keys = self.key(tokens).unflatten(2, self.query.shape)
        scores = (keys * self.query).sum(dim=3).transpose(1, 2) / self.query.shape[1] ** 0.5
        there = mask.unsqueeze(1)
        weights: torch.Tensor = (scores - 1e4 * (1 - there)).softmax(dim=2) * there
        return weights


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
