"""A task that needs no data: seven clouds in eight dimensions, from ten speakers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys
from mmer.models.labels import EMOTIONS
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Arrays, Task

NOISY = "much noise"


class TinyNetwork(nn.Module):
    """Everything that must be restored: weights, running statistics, dropout's random numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(8, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(width, len(EMOTIONS))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.body(x)
        return self.head(embedding), embedding


class TinyTask(Task):
    modality = "speech"
    development_data = "clouds of speakers 6-9"
    conditions = (NOISY,)
    batches_per_epoch = 6

    def __init__(self, width: int = 16, items: int = 120) -> None:
        rng = np.random.default_rng(0)
        self._centres = rng.normal(0, 1.2, (len(EMOTIONS), 8))
        self._held = self._sample(rng, items)
        self._width = width
        self.class_shares = np.full(len(EMOTIONS), 1 / len(EMOTIONS))
        self.dropped = {"calm maps to none": 3}

    def _sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(len(EMOTIONS), size=n)
        return self._centres[labels] + rng.normal(0, 1, (n, 8)), labels

    def network(self) -> nn.Module:
        return TinyNetwork(self._width)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        for _ in range(self.batches_per_epoch):
            x, labels = self._sample(rng, 32)
            yield {"x": x.astype(np.float32)}, np.eye(len(EMOTIONS), dtype=np.float32)[labels]

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        x, labels = self._held
        if condition == NOISY:
            x = x + np.random.default_rng(1).normal(0, 1, x.shape)
        for k in range(0, len(x), 50):
            yield {"x": x[k : k + 50].astype(np.float32)}, labels[k : k + 50]

    def development_groups(self) -> list[str]:
        return [f"clouds/{6 + i % 4}" for i in range(len(self._held[1]))]

    def seen(self) -> Seen:
        return Seen(frozenset(f"clouds/{i}" for i in range(6)), as_keys([1, 2, 3]))

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        return {"x": {0: "batch"}}

    def preprocessing(self) -> dict[str, Any]:
        return {}

    def training_data(self) -> tuple[TrainingData, ...]:
        return (TrainingData("clouds", "speakers 0-5", 192, "none", "a random generator"),)

    def notes(self) -> tuple[str, ...]:
        return ("Clouds are not voices.",)


def tiny_recipe(**changes: Any) -> Recipe:
    plain: dict[str, Any] = {"epochs": 3, "batch": 32, "learning_rate": 1e-2, "average_decay": 0.8}
    return Recipe("tiny", "clouds", **(plain | changes))
