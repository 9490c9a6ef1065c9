"""Small dense branches on ready vectors and a fusion of theirs: one fixed recipe, nothing tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mmer.models.networks.fusions import build_fusion
from mmer.models.networks.fusions.fusion import Part
from mmer.training.studies.mosi_features import Features, standardised, windows

CLASSES: Final = 2
WIDTH: Final = 32
EPOCHS: Final = 15
BATCH: Final = 64
RATE: Final = 2e-3
DECAY: Final = 1e-2
DROPOUT: Final = 0.3
DROP_MODALITIES: Final = 0.25
"""How often training hides a modality of an utterance that has others."""


@dataclass(frozen=True)
class Arm:
    """One network of the study: ``fusion`` names one of FUSIONS, or nothing for one modality.

    ``steps``: how many utterances a branch is given, the last of them the one to judge. Only a
    fusion that uses tokens looks at the earlier ones.
    """

    modalities: tuple[str, ...]
    fusion: str = ""
    steps: int = 1


class Dense(nn.Module):
    """One hidden layer on each vector of a window; each step knows how early it is."""

    def __init__(self, inputs: int, steps: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(inputs, WIDTH), nn.GELU())
        self.place = nn.Parameter(torch.zeros(steps, WIDTH))
        self.answer = nn.Linear(WIDTH, CLASSES)

    def forward(self, vectors: torch.Tensor, mask: torch.Tensor) -> Part:
        """(B, steps, inputs) and (B, steps); all but the tokens is of step 0, which is judged."""
        seen = self.enter(vectors)
        return Part(self.answer(seen[:, 0]), seen[:, 0], seen + self.place, mask)


class Network(nn.Module):
    """A branch a modality and, of several, their fusion."""

    def __init__(self, arm: Arm, inputs: Mapping[str, int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Dense(inputs[m], arm.steps) for m in arm.modalities)
        self.fusion = (
            build_fusion(arm.fusion, arm.modalities, WIDTH, CLASSES, "mosi") if arm.fusion else None
        )

    def forward(
        self, vectors: Sequence[torch.Tensor], mask: torch.Tensor, present: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, 2) of all together, and of each alone (B, modalities, 2)."""
        parts = [branch(one, mask) for branch, one in zip(self.branches, vectors, strict=True)]
        alone = torch.stack([part.logits for part in parts], dim=1)
        return (self.fusion(parts, present).logits if self.fusion else alone[:, 0]), alone


class Fitted:
    """A network trained on the rows ``train`` of some features, which scaled them all."""

    def __init__(self, arm: Arm, features: Features, train: NDArray[np.intp], seed: int) -> None:
        torch.manual_seed(seed)
        self.arm = arm
        scaled = standardised({m: features.vectors[m] for m in arm.modalities}, train)
        self._vectors = [torch.from_numpy(scaled[m]) for m in arm.modalities]
        self._windows, self._masks = map(torch.from_numpy, windows(features.videos, arm.steps))
        self.network = Network(arm, {m: each.shape[1] for m, each in scaled.items()})
        self._train(torch.from_numpy(features.labels), torch.from_numpy(train))

    def _given(self, rows: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        return [each[self._windows[rows]] for each in self._vectors], self._masks[rows]

    def _train(self, labels: torch.Tensor, train: torch.Tensor) -> None:
        """AdamW on the fused answer and on what each shown modality says alone."""
        optimizer = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=DECAY)
        self.network.train()
        for _ in range(EPOCHS):
            order = train[torch.randperm(len(train))]
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                present = (torch.rand(len(rows), len(self.arm.modalities)) >= DROP_MODALITIES) * 1.0
                present[present.sum(dim=1) == 0] = 1
                fused, alone = self.network(*self._given(rows), present)
                wanted = labels[rows]
                own = nn.functional.cross_entropy(
                    alone.transpose(1, 2),
                    wanted[:, None].expand(-1, alone.shape[1]),
                    reduction="none",
                )
                loss = nn.functional.cross_entropy(fused, wanted)
                loss = loss + (own * present).sum() / present.sum()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        self.network.eval()

    @torch.no_grad()
    def log_probs(self, rows: NDArray[np.intp], shown: Sequence[str]) -> NDArray[np.float64]:
        """Of the rows, (n, 2), given some of the arm's modalities."""
        present = torch.tensor([[float(m in shown) for m in self.arm.modalities]])
        fused, _ = self.network(*self._given(torch.from_numpy(rows)), present.expand(len(rows), -1))
        found: NDArray[np.float64] = fused.double().log_softmax(dim=1).numpy()
        return found
