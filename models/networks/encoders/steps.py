"""Which steps are there after layers that make them fewer."""

from __future__ import annotations

import torch


def first_steps(lengths: torch.Tensor, steps: int) -> torch.Tensor:
    """A mask float (B, steps), 1 for the first so many of each row: ``lengths`` int64 (B, 1)."""
    return (torch.arange(steps, device=lengths.device).unsqueeze(0) < lengths).float()


def halved(mask: torch.Tensor, steps: int) -> torch.Tensor:
    """Of a mask (B, T) what a stride of 2 leaves, (B, ``steps``), T / 2 rounded up."""
    # not mask[:, ::2]: the exporter cannot see that it is as long as what a layer gives
    return first_steps((mask.long().sum(dim=1, keepdim=True) + 1) // 2, steps)
