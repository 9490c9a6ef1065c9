"""Shipped face network: a small CNN of grey crops and dlib's ResNet on the same crop enlarged."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.dlib_resnet import SPREAD, DlibResNet
from mmer.models.networks.shipped.face import FaceNetwork

ENLARGED = 96
"""Pixels to which a window is enlarged for ``DlibFace``."""


class DlibFace(nn.Module):
    """Grey crop in, enlarged; class logits, an embedding, and whether it is a usable face out.

    Brightness and contrast do not matter, as in ``FaceNetwork``; in inference it looks at the
    middle ``window`` pixels of the crop. Of its pretrained weights, the stem and the first
    ``frozen`` blocks are not trained; with none frozen the stem is trained too.
    """

    def __init__(self, window: int = 44, dropout: float = 0.4, frozen: int = 0) -> None:
        super().__init__()
        self._window = window
        self.body = DlibResNet()
        self.body.stem.requires_grad_(not frozen)
        self.body.blocks[:frozen].requires_grad_(False)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(self.body.width, len(EMOTIONS))
        self.usable = nn.Linear(self.body.width, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As ``FaceNetwork``: image float32 (B, 1, S, S), 0..255, to logits, embedding, usable."""
        if not self.training:
            edge = (image.shape[2] - self._window) // 2
            middle = slice(edge, edge + self._window)
            image = image[:, :, middle, middle]
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
        x = centred / (deviation + 4.0) * SPREAD
        x = F.interpolate(x, (ENLARGED, ENLARGED), mode="bilinear", align_corners=False)
        embedding = self.body(x).mean(dim=(2, 3))
        kept = self.drop(embedding)
        return self.head(kept), embedding, self.usable(kept).squeeze(1)


class FacePair(nn.Module):
    """``FaceNetwork``, trained before, and ``DlibFace``, trained alone; their mean in inference.

    The logits are the mean of the two networks', of which the second's have the weight ``share``
    (so the probabilities are their geometric mean), and so is ``usable``; the embedding is both,
    one after another.
    """

    def __init__(self, first: FaceNetwork, second: DlibFace, share: float = 0.5) -> None:
        super().__init__()
        self._share = share
        self.first = first.requires_grad_(False)
        self.second = second

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As ``FaceNetwork``; in training the second network alone."""
        second: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self.second(image)
        if self.training:
            return second
        (logits, embedding, usable), (others, theirs, also) = self.first(image), second
        return (
            torch.lerp(logits, others, self._share),
            torch.cat([embedding, theirs], dim=1),
            torch.lerp(usable, also, self._share),
        )
