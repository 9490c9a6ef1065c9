"""The face encoder: a small residual network over a grey crop."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.labels import EMOTIONS
from mmer.models.networks.layers import Residual


class FaceNetwork(nn.Module):
    """Grey crop in, class logits and an embedding out.

    The picture is brought to zero mean and unit deviation inside the network, so that brightness
    and contrast do not matter and no caller can get the normalisation wrong.
    """

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 128), dropout: float = 0.3) -> None:
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
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(c, len(EMOTIONS))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Image float32 (B, 1, S, S), 0..255; logits (B, 7), embedding (B, widths[-1])."""
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
        x = self.body(self.stem(centred / (deviation + 4.0)))
        embedding = x.mean(dim=(2, 3))
        return self.head(self.drop(embedding)), embedding
