"""Fixed rules on what each modality says alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from mmer.models.networks.fusions.fusion import Fused, Fusion, Part
from mmer.models.networks.fusions.masking import NEVER, log_posteriors


class Mean(Fusion):
    """The mean of the present modalities' probabilities: the sum rule of Kittler et al. 1998.

    Each present modality has the same share.
    """

    uses = "logits"

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        """See ``Fusion``; the logits are log-probabilities."""
        counted = log_posteriors(parts, present) + NEVER * (1 - present).unsqueeze(2)
        n = present.sum(dim=1, keepdim=True)
        return Fused(counted.logsumexp(dim=1) - n.log(), present / n)


class Product(Fusion):
    """Product of experts (Hinton 2002): the present modalities' probabilities, multiplied.

    Sure of itself as if they erred independently: calibrate it. Each present modality has the same
    share.
    """

    uses = "logits"

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        """See ``Fusion``; the logits are log-probabilities."""
        even = -math.log(self.classes)  # what an absent one says, and so adds nothing
        product = (log_posteriors(parts, present) - even).sum(dim=1)
        return Fused(product.log_softmax(dim=1), present / present.sum(dim=1, keepdim=True))
