"""Fusions of the modalities' own answers: fixed rules, and the shipped fusion's network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from mmer.models.labels import MODALITIES
from mmer.models.networks.fusions.fusion import NEVER, Fused, Fusion, Part, log_posteriors
from mmer.models.networks.shipped.fusion import FusionNetwork


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
        even = -math.log(self.classes)  # of an absent one, which so adds nothing
        product = (log_posteriors(parts, present) - even).sum(dim=1)
        return Fused(product.log_softmax(dim=1), present / present.sum(dim=1, keepdim=True))


class Learned(Fusion):
    """``FusionNetwork`` on each modality's own answer, all of full quality and fresh.

    It has places for all of MODALITIES, whichever the run has, so its weights fit the embedded
    one; what it does with quality and age stays as it begins.
    """

    uses = "logits"

    def __init__(self, modalities: Sequence[str], width: int, classes: int) -> None:
        super().__init__(modalities, width, classes)
        self.network = FusionNetwork(len(MODALITIES), classes)
        for unused in (self.network.quality, self.network.fading):
            unused.requires_grad_(False)
        places = [self.modalities.index(m) if m in self.modalities else -1 for m in MODALITIES]
        self._places = tuple(places)
        self._back = tuple(MODALITIES.index(m) for m in self.modalities)

    def forward(self, parts: Sequence[Part], present: torch.Tensor) -> Fused:
        said = log_posteriors(parts, present)
        nothing = torch.zeros_like(said[:, 0])
        absent = torch.zeros_like(present[:, 0])
        log_probs = torch.stack(
            [said[:, k] if k >= 0 else nothing for k in self._places], dim=1
        )  # shape (B, 3, classes)
        there = torch.stack(
            [present[:, k] if k >= 0 else absent for k in self._places], dim=1
        )  # shape (B, 3)
        logits, shares = self.network(log_probs, torch.ones_like(there), 0 * there, there)
        return Fused(logits, torch.stack([shares[:, k] for k in self._back], dim=1))
