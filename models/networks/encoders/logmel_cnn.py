"""2-D CNN encoder over a log-mel spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.masking import MaskedBatchNorm, halved
from mmer.models.networks.encoders.pooling import make_pooling
from mmer.models.preparation.logmel_frames import LogMelFrames


class LogMelCNN(Encoder):
    """2-D convolutions in pairs, batch-normalised, both axes halved after each pair.

    After the CNN10 of Kong et al. 2020, "PANNs: Large-Scale Pretrained Audio Neural Networks for
    Audio Pattern Recognition", smaller. In: log-mel float (B, T, bins), 100 steps a second, mask
    float (B, T). Out: steps (B, T / 2**len(widths) rounded up, widths[-1]), the mean over the bands
    that are left, and the mean or an attention over the steps.

    Args:
        bins: mel bands.
        widths: channels after each pair.
        dropout: of the steps; see ``MfccCNN``.
        pooling: "mean" or "attention".
        longest_s: of a longer recording the end counts.
    """

    modality = "speech"

    def __init__(
        self,
        bins: int = 64,
        widths: Sequence[int] = (16, 32, 64, 128),
        dropout: float = 0.2,
        pooling: str = "attention",
        longest_s: float = 10.0,
    ) -> None:
        super().__init__()
        self.preparation = LogMelFrames(bins=bins, longest_s=longest_s)
        self.pairs = nn.ModuleList(
            Pair(inputs, outputs) for inputs, outputs in pairwise((1, *widths))
        )
        self.drop = nn.Dropout(dropout)
        self.width = widths[-1]
        self.pool = make_pooling(pooling, self.width)

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        logmel, mask = arrays
        x = (logmel * mask.unsqueeze(2)).unsqueeze(1)  # (B, 1, T, bins)
        for pair in self.pairs:
            x, mask = pair(x, mask)
        tokens = self.drop(x.mean(dim=3).transpose(1, 2))
        return Encoded(tokens, mask, self.pool(tokens, mask))


class Pair(nn.Module):
    """Two 3x3 convolutions, then the larger of neighbours: (B, C, T, F) to (B, C', T/2, F/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, outputs, 3, padding=1, bias=False) for before in (inputs, outputs)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(outputs) for _ in range(2))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask float (B, T); padding is zeros, in and out."""
        there = mask[:, None, :, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = torch.relu(norm(convolution(x), there))
        x = F.max_pool2d(x, 3, 2, 1)
        mask = halved(mask, x.shape[2])
        return x * mask[:, None, :, None], mask
