"""A network that sees one picture, over rows of pictures."""

from __future__ import annotations

import torch
from torch import nn


def per_picture(
    network: nn.Module, pictures: torch.Tensor, mask: torch.Tensor, width: int
) -> torch.Tensor:
    """What ``network``, (N, 3, H, W) to (N, width), makes of pictures (B, T, 3, H, W).

    (B, T, width), 0 where a picture is padding. In training it sees the pictures that are there
    alone, so that padding has no part in batch statistics and costs nothing.
    """
    rows, steps = pictures.shape[:2]
    flat = pictures.flatten(0, 1)
    if not network.training:
        made: torch.Tensor = network(flat)
        return made.reshape(rows, steps, width) * mask.unsqueeze(2)
    there = mask.flatten() > 0
    out = pictures.new_zeros(rows * steps, width)
    if bool(there.any()):
        seen = network(flat[there])
        out = out.to(seen.dtype).masked_scatter(there.unsqueeze(1), seen)
    return out.reshape(rows, steps, width)
