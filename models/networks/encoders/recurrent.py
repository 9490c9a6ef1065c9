"""LSTM layers over rows of different lengths, without packing, so that they export to ONNX."""

from __future__ import annotations

import torch
from torch import nn


class MaskedLSTM(nn.Module):
    """LSTM (Hochreiter and Schmidhuber 1997) over padded rows, one or both ways (Graves 2005).

    A row's steps come first and its padding last, as ``stack`` makes them. The backward direction
    reads each row turned round by its own length, so padding changes nothing; a row that is all
    padding gives zeros.
    """

    def __init__(self, width: int, hidden: int, bidirectional: bool, layers: int = 1) -> None:
        super().__init__()
        ways = 2 if bidirectional else 1
        self.width = ways * hidden
        """Of a step and of the summary."""
        self.forwards = nn.ModuleList(
            nn.LSTM(width if i == 0 else self.width, hidden, batch_first=True)
            for i in range(layers)
        )
        self.backwards = nn.ModuleList(
            nn.LSTM(width if i == 0 else self.width, hidden, batch_first=True)
            for i in range(layers if bidirectional else 0)
        )

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T, width) and float (B, T) to steps (B, T, H) and the final states (B, H).

        H is ``self.width``; both directions lie side by side, forward first. The final state is
        that of the last step that is there (backward: of the first).
        """
        last = mask.long().sum(dim=1, keepdim=True) - 1  # (B, 1)
        there = mask.unsqueeze(2)
        steps = tokens
        for i, layer in enumerate(self.forwards):
            ways = [layer(steps)[0]]
            if self.backwards:
                ways.append(turned(self.backwards[i](turned(steps, last))[0], last))
            steps = torch.cat(ways, dim=2) * there
        hidden = self.width // 2 if self.backwards else self.width
        end = last.clamp(min=0).unsqueeze(2).expand(-1, 1, self.width)
        final = steps.gather(1, end).squeeze(1)
        if self.backwards:
            final = torch.cat([final[:, :hidden], steps[:, 0, hidden:]], dim=1)
        return steps, final


def turned(steps: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """Each row of (B, T, D) turned round from its step 0 to ``last`` (B, 1); the rest stays."""
    place = torch.arange(steps.shape[1], device=steps.device).unsqueeze(0)  # (1, T)
    place = torch.where(place <= last, last - place, place)
    return steps.gather(1, place.unsqueeze(2).expand(-1, -1, steps.shape[2]))
