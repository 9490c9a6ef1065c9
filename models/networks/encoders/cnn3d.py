"""3D CNN encoder over the frames of a clip, trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mmer.models.networks.encoders.encoder import Encoded, Encoder, masked_mean
from mmer.models.networks.encoders.masking import MaskedBatchNorm
from mmer.models.preparation.frames import images_of


class CNN3D(Encoder):
    """R(2+1)D (Tran et al. 2018, "A Closer Look at Spatiotemporal Convolutions for Action
    Recognition"), small: each 3D convolution of C3D (Tran et al. 2015) in two, over the image and
    over time, with short cuts.

    In: images float (B, T, 3, S, S), mask float (B, T). Out: a step an image (B, T,
    ``widths[-1]``), which has seen one more image to each side with every block, and their mean.
    Time is not strided (the images are few), and what is padding stays 0, as a convolution pads.

    Args:
        sees: "frames" (whole images) or "faces" (crops aligned by the eyes).
        count: images a clip.
        size: their sides, pixels.
        widths: channels of the stem and of each block, which halves the image.
        dropout: of the steps.
    """

    modality = "face"

    def __init__(
        self,
        sees: str = "frames",
        count: int = 16,
        size: int = 112,
        widths: Sequence[int] = (16, 32, 64, 128),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.sees = sees
        self.preparation = images_of(sees, count, size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        stem, *rest = widths
        self.stem = nn.Conv3d(3, stem, (1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False)
        self.norm = MaskedBatchNorm(stem)
        self.blocks = nn.ModuleList(
            SpaceThenTime(a, b) for a, b in zip([stem, *rest], rest, strict=False)
        )
        self.drop = nn.Dropout(dropout)
        self.width = int(widths[-1])

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        images, mask = arrays
        there = mask[:, None, :, None, None]
        x = torch.relu(self.norm(self.stem(images.transpose(1, 2)), there))
        for block in self.blocks:
            x = block(x, there)
        steps = self.drop(x.mean(dim=(3, 4)).transpose(1, 2))
        return Encoded(steps, mask, masked_mean(steps, mask))


class SpaceThenTime(nn.Module):
    """(B, inputs, T, H, W) to (B, outputs, T, ceil(H/2), ceil(W/2))."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.space = nn.Conv3d(inputs, outputs, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.norm = MaskedBatchNorm(outputs)
        self.time = nn.Conv3d(outputs, outputs, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.norm_time = MaskedBatchNorm(outputs)
        self.short = nn.Conv3d(inputs, outputs, 1, (1, 2, 2), bias=False)
        self.norm_short = MaskedBatchNorm(outputs)

    def forward(self, x: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Mask float (B, 1, T, 1, 1)."""
        changed = torch.relu(self.norm(self.space(x), there))
        changed = self.norm_time(self.time(changed), there)
        return torch.relu(changed + self.norm_short(self.short(x), there))
