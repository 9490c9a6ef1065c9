"""Lower stages of dlib's face-recognition ResNet (King 2017): grey image to a map of features."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, residual blocks, and whether the first block halves the map, from the input up."""
SPREAD = 0.22
"""Deviation of a face's grey levels as the network was trained on them (0..1)."""


class DlibBlock(nn.Module):
    """Two normalised 3x3 convolutions beside a short cut; (B, inputs, H, W) to (B, outputs, ...).

    A block that halves convolves without padding and averages the short cut over 2x2; missing
    channels, rows and columns of either are zeros, as in dlib's ``add_prev``.
    """

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = normalised(nn.Conv2d(inputs, outputs, 3, stride, padding, bias=False))
        self.second = normalised(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(F.relu(self.first(x)))
        if self.halves:
            x = F.avg_pool2d(x, 2)
            rows, columns = max(x.shape[2], y.shape[2]), max(x.shape[3], y.shape[3])
            missing = y.shape[1] - x.shape[1]
            x = F.pad(x, (0, columns - x.shape[3], 0, rows - x.shape[2], 0, missing))
            y = F.pad(y, (0, columns - y.shape[3], 0, rows - y.shape[2]))
        return F.relu(x + y)


class DlibResNet(nn.Module):
    """The first ``stages`` of the network.

    The three colours of its first convolution are summed: it sees grey images.
    """

    def __init__(self, stages: int = 3) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = STAGES[0][0]
        self.stem = normalised(nn.Conv2d(1, width, 7, 2, bias=False))
        for channels, count, halves in STAGES[:stages]:
            for k in range(count):
                blocks.append(DlibBlock(width, channels, halves and k == 0))
                width = channels
        self.blocks = nn.ModuleList(blocks)
        self.width = width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Grey levels less their mean (B, 1, S, S), as shares of 256; (B, width, s, s)."""
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return x


def normalised(convolution: nn.Conv2d) -> nn.Sequential:
    """A convolution and the normalisation of its channels."""
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
