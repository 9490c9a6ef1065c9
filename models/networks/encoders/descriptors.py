"""Dense encoder over a vector of acoustic descriptors of the whole recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from mmer.models.errors import MmerError
from mmer.models.networks.encoders.encoder import Encoded, Encoder
from mmer.models.preparation.descriptors import NAMES, Descriptors
from mmer.models.preparation.egemaps import VALUES, Egemaps


class DescriptorNet(Encoder):
    """Standardised descriptors through dense layers with dropout.

    Issa, Demirci and Yazici 2020 for librosa's descriptors; Eyben et al. 2016 for eGeMAPS. In: the
    vector float (B, 1, D), D = 92 or 88, mask float (B, 1). Out: one step (B, 1, hidden[-1]), and
    the same as pooled. ``fit`` learns what to standardise by; until then the vector is taken as is.

    Args:
        of: "descriptors" (librosa) or "egemaps" (openSMILE).
        hidden: widths of the dense layers.
        dropout: after each.
        longest_s: of a longer recording the end counts.
    """

    modality = "speech"
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        of: str = "descriptors",
        hidden: Sequence[int] = (256, 128),
        dropout: float = 0.3,
        longest_s: float = 10.0,
    ) -> None:
        super().__init__()
        if of == "descriptors":
            self.preparation = Descriptors(longest_s)
            inputs = len(NAMES)
        elif of == "egemaps":
            self.preparation = Egemaps(longest_s)
            inputs = VALUES
        else:
            raise MmerError(f"no descriptors {of!r}; known are descriptors, egemaps")
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.dense = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
                for before, after in pairwise((inputs, *hidden))
            )
        )
        self.width = hidden[-1]

    def fit(self, rows: Sequence[tuple[np.ndarray, ...]]) -> None:
        """Mean and deviation of each descriptor over training recordings, one or more."""
        vectors = np.concatenate([row[0] for row in rows]).astype(np.float64)  # (N, D)
        deviation = vectors.std(axis=0)
        deviation[deviation < 1e-6] = 1.0  # the same in all of them
        self.mean.copy_(torch.from_numpy(vectors.mean(axis=0)))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, *arrays: torch.Tensor) -> Encoded:
        vector, mask = arrays
        # far beyond what training had (a microphone of another kind), it does not matter how far
        standard = ((vector - self.mean) / self.deviation).clamp(-10, 10)
        tokens = self.dense(standard) * mask.unsqueeze(2)
        return Encoded(tokens, mask, tokens.squeeze(1))
