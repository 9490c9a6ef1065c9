"""CNN encoder over face crops, trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.masking import per_image
from mmer.models.networks.encoders.pooling import MultiHeadPooling
from mmer.models.networks.layers import Residual
from mmer.models.preparation.frames import images_of


class FaceCNN(Encoder):
    """Residual convolutions (He et al. 2016) with squeeze and excitation (Hu et al. 2018) over each
    crop of the face, as in FER2013's networks; the crops pooled by attention, as in frame attention
    networks (Meng et al. 2019).

    In: crops float (B, T, 3, S, S), mask float (B, T). Out: a step a crop (B, T, ``widths[2]``) and
    their summary. It looks at grey crops of zero mean and unit deviation: tint, brightness and
    contrast do not matter. ``pool.weights(tokens, mask)`` tells how much each crop counted.

    Args:
        count: crops a clip.
        size: their sides, pixels.
        widths: of the network's three scales.
        heads: of the pooling.
        dropout: of the steps.
    """

    modality = "face"

    def __init__(
        self,
        count: int = 8,
        size: int = 48,
        widths: Sequence[int] = (32, 64, 128),
        heads: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.sees = "faces"
        self.preparation = images_of("faces", count, size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        a, b, c = widths
        self.crop = nn.Sequential(
            Grey(),
            nn.Conv2d(1, a, 5, 2, 2, bias=False),
            nn.BatchNorm2d(a),
            nn.ReLU(),
            Residual(a, b, 2),
            Residual(b, c, 2),
            Residual(c, c),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.drop = nn.Dropout(dropout)
        self.width = c
        self.pool = MultiHeadPooling(c, heads)

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        crops, mask = arrays
        steps = self.drop(per_image(self.crop, crops, mask, self.width))
        return Encoded(steps, mask, self.pool(steps, mask))


class Grey(nn.Module):
    """(N, 3, H, W) to its grey (N, 1, H, W), each image of zero mean and unit deviation."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
        grey = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
        centred = grey - grey.mean(dim=(2, 3), keepdim=True)
        return centred / (centred.square().mean(dim=(2, 3), keepdim=True).sqrt() + 0.03)
