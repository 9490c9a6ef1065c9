"""Cross-modal attention between the steps of the modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from mmer.models.networks.encoders.encoder import masked_mean
from mmer.models.networks.fusions.embeddings import Concatenation
from mmer.models.networks.fusions.fusion import NEVER, Fused, Fusion, Part

DROPOUT = 0.1
LAYERS = 2
_HEAD_WIDTH = 16


class CrossModal(Fusion):
    """Each modality's steps attend to the steps of the others, through ``LAYERS`` layers.

    After the multimodal transformer of Tsai et al. 2019 (pre-norm layers; every layer looks at the
    others' steps as the encoders gave them); here the others are looked at together rather than by
    a stack of layers each, so what a step takes from whom is one softmax. No positions are added:
    steps of an encoder know theirs. Each stream is then averaged over its steps, and classified as
    in ``Concatenation``, whose shares these are: what a stream took from others counts as its own.

    A modality whose others are all absent passes through; a run of one modality attends to itself.
    """

    uses = "tokens"

    def __init__(self, modalities: Sequence[str], width: int, classes: int) -> None:
        super().__init__(modalities, width, classes)
        n = len(self.modalities)
        self._sources = tuple(tuple(k for k in range(n) if k != m or n == 1) for m in range(n))
        self.kind = nn.Parameter(0.02 * torch.randn(n, width))
        self.streams = nn.ModuleList(_Stream(width) for _ in range(n))
        self.classify = Concatenation(modalities, width, classes)

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        masks = _masks(parts, present)
        pooled = [
            part._replace(embedding=masked_mean(steps, mask))
            for part, (steps, _), mask in zip(parts, self._run(parts, masks), masks, strict=True)
        ]
        fused: Fused = self.classify(pooled, present)
        return fused

    @torch.no_grad()
    def attention(
        self, parts: Sequence[Part], present: torch.Tensor
    ) -> Mapping[tuple[str, str], torch.Tensor]:
        """By (who looks, at whom): the last layer's weights, (B, T of the one, T of the other).

        Means over the heads. Over all that one step looks at they sum to 1; they are 0 where
        either step is padding or absent.
        """
        masks = _masks(parts, present)
        found = {}
        for m, (_, weights) in enumerate(self._run(parts, masks)):
            sources = self._sources[m]
            each = torch.split(weights, [masks[k].shape[1] for k in sources], dim=2)
            for k, seen in zip(sources, each, strict=True):
                there = masks[m].unsqueeze(2) * masks[k].unsqueeze(1)
                found[self.modalities[m], self.modalities[k]] = seen * there
        return found

    def _run(
        self, parts: Sequence[Part], masks: Sequence[torch.Tensor]
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """What each ``_Stream`` gives."""
        given = [
            part.tokens.masked_fill(mask.unsqueeze(2) == 0, 0.0) + kind
            for part, mask, kind in zip(parts, masks, self.kind.unbind(), strict=True)
        ]
        found = []
        for own, stream, sources in zip(given, self.streams, self._sources, strict=True):
            others = torch.cat([given[k] for k in sources], dim=1)
            mask = torch.cat([masks[k] for k in sources], dim=1)
            found.append(stream(own, others, mask))
        return found


def _masks(parts: Sequence[Part], present: torch.Tensor) -> list[torch.Tensor]:
    """The steps that are there, of modalities that are there: (B, T) each."""
    return [part.mask * present[:, m : m + 1] for m, part in enumerate(parts)]


class _Stream(nn.Module):
    """One modality's layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, own: torch.Tensor, others: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``_Layer``; the weights are the last layer's."""
        for layer in self.layers:
            own, weights = layer(own, others, mask)
        return self.norm(own), weights


class _Layer(nn.Module):
    """Look at the others, then think: pre-norm attention and feed-forward, each added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = next(h for h in (8, 4, 2, 1) if h == 1 or width % (_HEAD_WIDTH * h) == 0)
        self.norm_own, self.norm_others = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look = nn.MultiheadAttention(width, heads, DROPOUT, batch_first=True)
        self.think = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(DROPOUT),
            nn.Linear(2 * width, width),
        )

    def forward(
        self, own: torch.Tensor, others: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Steps (B, T, width) and weights (B, T, S), given (B, S, width) and their mask (B, S)."""
        keys = self.norm_others(others)
        seen, weights = self.look(
            self.norm_own(own), keys, keys, key_padding_mask=NEVER * (1 - mask)
        )
        anything = mask.amax(dim=1).view(-1, 1, 1)
        own = own + seen * anything
        return own + self.think(own), weights
