"""What the training loop and the export ask of a modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from mmer.models.card import TrainingData

Arrays = Mapping[str, np.ndarray]
"""A network's inputs by name; the first axis of each is the batch."""


class Task(Protocol):
    """The data of one modality, split, and the network that learns it.

    Arrays are NumPy throughout, so that the exported network is judged by the very inputs that
    the trained one was judged by.
    """

    modality: str
    class_shares: np.ndarray
    """Share of each class in the training targets as they are drawn, shape (7,)."""
    development_data: str
    """What the development figures are measured on, in words."""
    conditions: tuple[str, ...]
    """Other states of the development data that the card's notes give figures of, in words."""
    batches_per_epoch: int

    def network(self) -> nn.Module:
        """A fresh network: inputs by position, (logits (B, 7), embedding (B, D)) out."""
        ...

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """One epoch of augmented inputs and target distributions, float32 (B, 7)."""
        ...

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """The development fold without augmentation: inputs and class indices (B,)."""
        ...

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """Which axes of which inputs vary, and what to call them."""
        ...

    def preprocessing(self) -> dict[str, Any]:
        """The wrapper's configuration, for the card."""
        ...

    def training_data(self) -> tuple[TrainingData, ...]:
        """The corpora used, for the card."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Known failures and how to read the figures, for the card."""
        ...

    def save_extras(self, folder: Path) -> None:
        """Write what the wrapper needs beside the network (a tokenizer)."""
        ...
