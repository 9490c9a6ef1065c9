"""Face network: grey crop to a small residual CNN."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.labels import EMOTIONS
from mmer.models.networks.layers import Residual


class FaceNetwork(nn.Module):
    """Grey crop in; class logits, an embedding, and whether it is a usable face out.

    The image is brought to zero mean and unit deviation inside the network, so that brightness
    and contrast do not matter and no caller can get the normalisation wrong. Trained on windows of
    ``window`` pixels anywhere in the crop, it looks at the middle one and its mirror image when it
    is used, and averages the two embeddings.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (32, 64, 128),
        dropout: float = 0.2,
        window: int = 40,
    ) -> None:
        super().__init__()
        self._window = window
        a, b, c = widths
        self.stem = nn.Sequential(
            nn.Conv2d(1, a, 5, 2, 2, bias=False), nn.BatchNorm2d(a), nn.ReLU()
        )
        self.body = nn.Sequential(
            Residual(a, b, 2),
            Residual(b, b),
            Residual(b, c, 2),
            Residual(c, c),
            Residual(c, c),
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(c, len(EMOTIONS))
        self.usable = nn.Linear(c, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Image float32 (B, 1, S, S), 0..255; logits (B, 7), embedding (B, d), usable (B,).

        In training S is the window's, else the crop's.

        ``usable`` is a logit: above 0 the image is more likely a face than not.
        """
        if not self.training:
            edge = (image.shape[2] - self._window) // 2
            middle = slice(edge, edge + self._window)
            image = image[:, :, middle, middle]
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
        x = centred / (deviation + 4.0)
        if self.training:
            embedding = self._embed(x)
        else:
            embedding = (self._embed(x) + self._embed(x.flip(3))) / 2
        kept = self.drop(embedding)
        return self.head(kept), embedding, self.usable(kept).squeeze(1)

    def _embed(self, x: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.body(self.stem(x)).mean(dim=(2, 3))
        return embedding
