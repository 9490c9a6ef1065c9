"""1-D CNN encoder over MFCC."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.networks.encoders.masking import MaskedBatchNorm, halved
from mmer.models.networks.encoders.pooling import make_pooling
from mmer.models.preparation.mfcc import Mfcc


class MfccCNN(Encoder):
    """1-D convolutions over MFCC, each batch-normalised and halved in time.

    After de Pinto et al. 2020, "Emotions Understanding Model from Spoken Language using Deep Neural
    Networks and Mel-Frequency Cepstral Coefficients". In: MFCC float (B, T, coefficients), 100
    steps a second, mask float (B, T). Out: steps (B, T / 2**len(widths) rounded up, widths[-1]) and
    their mean or an attention over them.

    Args:
        coefficients: of the MFCC.
        widths: channels of each convolution.
        kernel: length of each, in steps; odd.
        dropout: of the steps. Between the convolutions, batch normalisation would meet another
            variance in use than in training (Li et al. 2019).
        pooling: "mean" or "attention".
        padding: "mask": padding is no part of anything. "zero": as most published networks do, each
            recording is cut or zero-padded to ``steps``, and the zeros count like any other step.
        steps: 100 a second, of padding "zero".
        longest_s: of a longer recording the end counts.
    """

    modality = "speech"

    def __init__(
        self,
        coefficients: int = 40,
        widths: Sequence[int] = (64, 128, 128),
        kernel: int = 5,
        dropout: float = 0.2,
        pooling: str = "mean",
        padding: str = "mask",
        steps: int = 400,
        longest_s: float = 10.0,
    ) -> None:
        super().__init__()
        if padding not in {"mask", "zero"}:
            raise MmerError(f"no padding {padding!r}; known are mask, zero")
        if kernel % 2 == 0:
            raise MmerError(f"kernel is {kernel}, expected an odd number")
        self.preparation = Mfcc(coefficients=coefficients, longest_s=longest_s)
        self.steps = steps if padding == "zero" else None
        self.first_norm = MaskedBatchNorm(coefficients)
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, kernel) for inputs, outputs in pairwise((coefficients, *widths))
        )
        self.drop = nn.Dropout(dropout)
        self.width = widths[-1]
        self.pool = make_pooling(pooling, self.width)

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        mfcc, mask = arrays
        if self.steps is not None:
            zeros = mfcc.new_zeros(mfcc.shape[0], self.steps, mfcc.shape[2])
            mfcc = torch.cat([mfcc * mask.unsqueeze(2), zeros], dim=1)[:, : self.steps]
            mask = mask.amax(dim=1, keepdim=True).expand(-1, self.steps)
        x = self.first_norm(mfcc.transpose(1, 2), mask.unsqueeze(1))
        for block in self.blocks:
            x, mask = block(x, mask)
        tokens = self.drop(x.transpose(1, 2))
        return Encoded(tokens, mask, self.pool(tokens, mask))


class Block(nn.Module):
    """Convolution, batch normalisation, the larger of neighbours: (B, C, T) to (B, C', T / 2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = MaskedBatchNorm(outputs)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask float (B, T); padding is zeros, in and out."""
        x = torch.relu(self.norm(self.convolution(x), mask.unsqueeze(1)))
        # not max_pool1d: exported, it takes the time of the example for the only one
        x = F.max_pool2d(x.unsqueeze(2), (1, 3), (1, 2), (0, 1)).squeeze(2)
        mask = halved(mask, x.shape[2])
        return x * mask.unsqueeze(1), mask
