"""Shipped face network: dlib's face-recognition ResNet, its lower stages, on a grey crop."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.dlib_resnet import SPREAD, DlibResNet

ENLARGED = 96
"""Pixels to which a window is enlarged."""


class FaceNetwork(nn.Module):
    """Grey crop in; class logits, an embedding, and whether it is a usable face out.

    The image is brought to zero mean and a fixed deviation inside the network, so that brightness
    and contrast do not matter and no caller can get the normalisation wrong. Trained on windows of
    ``window`` pixels anywhere in the crop, it looks at the middle one and its mirror image when it
    is used, and averages the two embeddings.
    """

    def __init__(self, stages: int = 3, dropout: float = 0.3, window: int = 44) -> None:
        super().__init__()
        self._window = window
        self.body = DlibResNet(stages)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(self.body.width, len(EMOTIONS))
        self.usable = nn.Linear(self.body.width, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Image float32 (B, 1, S, S), 0..255; logits (B, 7), embedding (B, d), usable (B,).

        S is the window's or larger; then the middle counts.

        ``usable`` is a logit: above 0 the image is more likely a face than not.
        """
        x = self.enlarged(image)
        embedding = self._embed(x)
        if not self.training:
            embedding = (embedding + self._embed(x.flip(3))) / 2
        kept = self.drop(embedding)
        return self.head(kept), embedding, self.usable(kept).squeeze(1)

    def _embed(self, x: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.body(x).mean(dim=(2, 3))
        return embedding

    def enlarged(self, image: torch.Tensor) -> torch.Tensor:
        """The middle window (B, 1, ``ENLARGED``, ``ENLARGED``), as the body takes it."""
        edge = (image.shape[2] - self._window) // 2
        middle = slice(edge, edge + self._window)
        image = image[:, :, middle, middle]
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
        x = centred / (deviation + 4.0) * SPREAD
        return F.interpolate(x, (ENLARGED, ENLARGED), mode="bilinear", align_corners=False)
