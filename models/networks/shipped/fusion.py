"""Fusion network: learned reliability, power and fading of each modality."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import softplus

from mmer.models.fusion import MIN_INFORMATION


class FusionNetwork(nn.Module):
    """Opinions of K modalities to one: discounted, weighed by quality and age, multiplied.

    A modality shows an emotion c that is felt with the probability r[k, c]; else it shows something
    else, m with the probability s[k, m] (a face at rest, say). What it says, p, then speaks for c
    as far as r[k, c] p(c) + (1 - r[k, c]) sum over m of s[k, m] p(m): reliability in the context of
    the truth, as in the contextual discounting of the theory of evidence (Mercier, Quost and
    Denoeux 2008, "Refined modeling of sensor reliability in the belief function framework using
    contextual discounting", Information Fusion 9(2)). These are multiplied, each to the power
    w = a[k] quality^b[k] exp(-c[k] age), 0 where absent.

    By construction a flat opinion changes nothing, no modality can rule a class out, and it weighs
    more the better and the fresher it is. Weight decay pulls each r[k, c] towards the modality's
    own, s towards evenness, and the modalities towards equal treatment. What is known besides
    (``models.fusion.CONTEXT``: whether the person talks, say) moves a[k] and r[k, c] of a modality.
    ``modalities`` x (2 ``classes`` + 4 + 2 ``context``) numbers in all.
    """

    def __init__(self, modalities: int = 3, classes: int = 7, context: int = 0) -> None:
        super().__init__()
        self.reliability = nn.Parameter(torch.zeros(modalities))
        self.by_class = nn.Parameter(torch.zeros(modalities, classes))
        self.shown_instead = nn.Parameter(torch.zeros(modalities, classes))
        self.power = nn.Parameter(torch.zeros(modalities))
        self.quality = nn.Parameter(torch.zeros(modalities))
        self.fading = nn.Parameter(torch.zeros(modalities))
        if context:
            self.context_reliability = nn.Parameter(torch.zeros(modalities, context))
            self.context_power = nn.Parameter(torch.zeros(modalities, context))

    def forward(
        self,
        log_probs: torch.Tensor,
        quality: torch.Tensor,
        age_s: torch.Tensor,
        present: torch.Tensor,
        context: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, C) and each modality's share in the answer (B, K), sum 1.

        Args:
            log_probs: (B, K, C), normalised; anything finite where absent.
            quality: (B, K), 0..1.
            age_s: (B, K), seconds, 0 or more.
            present: (B, K), 1 or 0; at least one 1 a row.
            context: (B, K, F), 0..1; left out, nothing is known.
        """
        there = present.unsqueeze(2)
        classes = log_probs.shape[2]
        probs = log_probs.exp() * there + (1 - there) / classes
        # at zero: 0.88 is shown, power 1, the square root of the quality, a third less in 2 s
        reliability = self.reliability.unsqueeze(1) + self.by_class
        power: torch.Tensor = self.power
        if context is not None:
            moved = (context * self.context_reliability).sum(dim=2, keepdim=True)
            reliability = reliability + moved  # (B, K, C)
            power = power + (context * self.context_power).sum(dim=2)  # (B, K)
        shown = torch.sigmoid(2 + 3 * reliability)
        instead = (probs * (3 * self.shown_instead).softmax(dim=1)).sum(dim=2, keepdim=True)
        logs = (shown * probs + (1 - shown) * instead).log().log_softmax(dim=2)
        faded = quality.clamp(min=1e-3).log() * softplus(self.quality - 0.4)
        faded = faded - age_s * softplus(self.fading - 1.5)
        powers = present * softplus(power + 0.54) * faded.exp()
        information = 1 + (logs.exp() * logs).sum(dim=2) / math.log(classes)
        pull = powers * information.clamp(min=MIN_INFORMATION)
        logits = (powers.unsqueeze(2) * logs).sum(dim=1)
        return logits, pull / pull.sum(dim=1, keepdim=True)
