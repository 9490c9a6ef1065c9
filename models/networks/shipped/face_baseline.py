"""Network of the face's learned baseline: an answer relative to what a person showed before."""

from __future__ import annotations

import torch
from torch import nn

from mmer.models.labels import EMOTIONS


class FaceBaselineNetwork(nn.Module):
    """From an answer as it is, (1 - p) x, towards p (a (x - mean) + C probs + d); 63 numbers.

    ``a`` (7,) widens the differences from a person's mean answer, for expressions are quieter in
    a talking face than in a training image; ``C`` (7, 7) and ``d`` (7,) put back what the
    emotions in the session explain of that mean.
    """

    def __init__(self) -> None:
        super().__init__()
        classes = len(EMOTIONS)
        self.widen = nn.Parameter(torch.ones(classes))
        self.explained = nn.Linear(classes, classes)
        nn.init.zeros_(self.explained.weight)
        nn.init.zeros_(self.explained.bias)

    def forward(
        self,
        log_probs: torch.Tensor,
        mean: torch.Tensor,
        probs: torch.Tensor,
        progress: torch.Tensor,
    ) -> tuple[torch.Tensor]:
        """Logits (B, 7).

        Args:
            log_probs: (B, 7), of the item.
            mean: (B, 7), mean log-probabilities of the person so far, the item included.
            probs: (B, 7), mean probabilities of the same.
            progress: (B,), 0 where nothing is known, towards 1.
        """
        known = progress.unsqueeze(1)
        relative = self.widen * (log_probs - mean) + self.explained(probs)
        return ((1 - known) * log_probs + known * relative,)
