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
        place = torch.arange(mask.shape[1], device=mask.device).unsqueeze(0)  # (1, T)
        turned = torch.where(place <= last, last - place, place)  # (B, T)
        there = mask.unsqueeze(2)
        steps = tokens
        for i, layer in enumerate(self.forwards):
            ways = [run(layer, steps)]
            if self.backwards:
                ways.append(picked(run(self.backwards[i], picked(steps, turned)), turned))
            steps = torch.cat(ways, dim=2) * there
        hidden = self.width // 2 if self.backwards else self.width
        end = last.clamp(min=0).unsqueeze(2).expand(-1, 1, self.width)
        final = steps.gather(1, end).squeeze(1)
        if self.backwards:
            final = torch.cat([final[:, :hidden], steps[:, 0, hidden:]], dim=1)
        return steps, final


def run(lstm: nn.Module, steps: torch.Tensor) -> torch.Tensor:
    """What a batch-first LSTM of one layer makes of (B, T, D), (B, T, H).

    For ONNX its operator is named, for the exporter unrolls an LSTM that it has met before to the
    number of steps of the example.
    """
    if not torch.onnx.is_in_onnx_export():
        out: torch.Tensor = lstm(steps)[0]
        return out
    weights = {name: _gates_as_in_onnx(weight) for name, weight in lstm.named_parameters()}
    rows, time, hidden = steps.shape[0], steps.shape[1], weights["weight_hh_l0"].shape[1]
    made = torch.onnx.ops.symbolic(
        "LSTM",
        (
            steps.transpose(0, 1),
            weights["weight_ih_l0"].unsqueeze(0),
            weights["weight_hh_l0"].unsqueeze(0),
            torch.cat([weights["bias_ih_l0"], weights["bias_hh_l0"]]).unsqueeze(0),
        ),
        attrs={"hidden_size": hidden},
        dtype=steps.dtype,
        shape=(time, 1, rows, hidden),
    )
    return made.squeeze(1).transpose(0, 1)


def _gates_as_in_onnx(weight: torch.Tensor) -> torch.Tensor:
    """From torch's order (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    i, f, c, o = weight.chunk(4)
    return torch.cat([i, o, f, c])


def picked(steps: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Of each row of (B, T, D) the steps at ``place`` (B, T')."""
    return steps.gather(1, place.unsqueeze(2).expand(-1, -1, steps.shape[2]))
