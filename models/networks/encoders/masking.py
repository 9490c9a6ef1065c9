"""Masked layers: batch normalisation, strides and image networks without a part for padding."""

from __future__ import annotations

import torch
from torch import nn

MOMENTUM, EPS = 0.1, 1e-5  # as torch has them


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) whose statistics leave out what is padding.

    Of (B, C, ...) with any axes after the channels; padding comes out as zeros, as a convolution
    pads.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """``mask`` 1 or 0 with as many axes as ``x`` and one channel, broadcast against it."""
        shape = (1, -1, *[1] * (x.dim() - 2))
        mean, variance = self.mean, self.variance
        if self.training:
            weight = mask.expand(x.shape[0], 1, *x.shape[2:]).float()
            mean, variance = self._of(x.float(), weight, shape)
        scale = self.weight / (variance + EPS).sqrt()
        shift = self.bias - mean * scale
        return (x * scale.view(shape) + shift.view(shape)) * mask

    def _of(
        self, x: torch.Tensor, weight: torch.Tensor, shape: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance of a batch (C,), of which the running ones learn."""
        axes = (0, *range(2, x.dim()))
        count = weight.sum()
        mean = (x * weight).sum(dim=axes) / count.clamp(min=1)
        deviation = (x - mean.view(shape)) * weight
        variance = deviation.square().sum(dim=axes) / count.clamp(min=1)
        with torch.no_grad():
            step = MOMENTUM * (count > 0)
            unbiased = variance * count / (count - 1).clamp(min=1)
            self.mean += step * (mean - self.mean)
            self.variance += step * (unbiased - self.variance)
        return mean, variance


def first_steps(lengths: torch.Tensor, steps: int) -> torch.Tensor:
    """A mask float (B, steps), 1 for the first so many of each row: ``lengths`` int64 (B, 1)."""
    return (torch.arange(steps, device=lengths.device).unsqueeze(0) < lengths).float()


def halved(mask: torch.Tensor, steps: int) -> torch.Tensor:
    """Of a mask (B, T) what a stride of 2 leaves, (B, ``steps``), T / 2 rounded up."""
    # not mask[:, ::2]: the exporter cannot see that it is as long as what a layer gives
    return first_steps((mask.long().sum(dim=1, keepdim=True) + 1) // 2, steps)


def per_image(
    network: nn.Module, images: torch.Tensor, mask: torch.Tensor, width: int
) -> torch.Tensor:
    """What ``network``, (N, 3, H, W) to (N, width), makes of images (B, T, 3, H, W).

    (B, T, width), 0 where an image is padding. In training it sees the images that are there
    alone, so that padding has no part in batch statistics and costs nothing.
    """
    rows, steps = images.shape[:2]
    flat = images.flatten(0, 1)
    if not network.training:
        made: torch.Tensor = network(flat)
        return made.reshape(rows, steps, width) * mask.unsqueeze(2)
    there = mask.flatten() > 0
    out = images.new_zeros(rows * steps, width)
    if bool(there.any()):
        seen = network(flat[there])
        out = out.to(seen.dtype).masked_scatter(there.unsqueeze(1), seen)
    return out.reshape(rows, steps, width)
