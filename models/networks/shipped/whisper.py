"""Encoder of Whisper: log-mel to steps of 20 ms, the output of every block."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from mmer.models.preparation.whisper_mel import BINS

WIDTH = 384
"""Channels of Whisper tiny."""
HEADS = 6
WIDE = 4 * WIDTH


class WhisperBlock(nn.Module):
    """One transformer block, each half normalised before it; (B, T, 384) to the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.attend = nn.Linear(WIDTH, 3 * WIDTH)  # query, key, value
        self.attended = nn.Linear(WIDTH, WIDTH)
        self.last_norm = nn.LayerNorm(WIDTH)
        self.widen = nn.Linear(WIDTH, WIDE)
        self.narrow = nn.Linear(WIDE, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._attended(x)
        return x + self.narrow(F.gelu(self.widen(self.last_norm(x))))  # type: ignore[no-any-return]

    def _attended(self, x: torch.Tensor) -> torch.Tensor:
        """The first half's output."""
        b, t, width = x.shape
        q, k, v = (
            part.reshape(b, t, HEADS, width // HEADS).transpose(1, 2)
            for part in self.attend(self.norm(x)).split(width, dim=2)
        )
        heard = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, width)
        return x + self.attended(heard)  # type: ignore[no-any-return]

    @torch.no_grad()
    def even_out(self, x: torch.Tensor) -> None:
        """Scale channels that are large after the norms down there, and up in the next weights.

        Outputs stay; 8 bits hold such inputs better (SmoothQuant, Xiao et al. 2023). ``x`` is the
        block's input, (B, T, 384), by which channels are evaluated.
        """
        halves = ((self.norm, self.attend, x), (self.last_norm, self.widen, self._attended(x)))
        for norm, linear, entering in halves:
            largest = norm(entering).abs().flatten(0, -2).amax(dim=0)
            weights = linear.weight.abs().amax(dim=0)
            by = (largest / weights.clamp(min=1e-6)).sqrt().clamp(min=1e-3)
            norm.weight.div_(by)
            norm.bias.div_(by)
            linear.weight.mul_(by)


class WhisperEncoder(nn.Module):
    """The first blocks of Whisper tiny's encoder (Radford et al. 2023).

    A segment is as long as it is: nothing is padded to 30 s, and the table of positions is cut to
    the longest one.
    """

    positions: torch.Tensor

    def __init__(self, blocks: int, positions: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(BINS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.zeros(positions, WIDTH))
        self.blocks = nn.ModuleList(WhisperBlock() for _ in range(blocks))

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Normalised log-mel (B, T, 80); each block's output (B, ceil(T / 2), 384)."""
        x = self._steps(features)
        out = []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out

    def _steps(self, features: torch.Tensor) -> torch.Tensor:
        """What enters the first block."""
        x = F.gelu(self.second(F.gelu(self.first(features.transpose(1, 2))))).transpose(1, 2)
        return x + self.positions[: x.shape[1]]

    @torch.no_grad()
    def even_out(self, features: torch.Tensor) -> None:
        """Even out every block's channels by normalised log-mel (B, T, 80): outputs stay."""
        x = self._steps(features)
        for block in self.blocks:
            block.even_out(x)  # type: ignore[operator]
            x = block(x)
