"""What the training loop and the export ask of a modality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen
from mmer.models.errors import MmerError

if TYPE_CHECKING:
    import torch
    from torch import nn

Arrays = Mapping[str, np.ndarray]
"""A network's inputs by name; the first axis of each is the batch."""


def soft_loss(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Cross-entropy with target distributions (B, 7) and class weights (7,)."""
    smooth = targets * (1 - smoothing) + smoothing / targets.shape[1]
    return -(weights * smooth * logits.log_softmax(dim=1)).sum(dim=1).mean()


class Task(ABC):
    """The data of one modality, split, and the network that learns it.

    Arrays are NumPy throughout, so that the exported network is judged by the very inputs that
    the trained one was judged by.
    """

    modality: str
    class_shares: np.ndarray
    """Share of each class in the training targets as they are drawn, shape (7,)."""
    development_data: str
    """What the development figures are measured on, in words."""
    conditions: tuple[str, ...] = ()
    """Other states of the development data that the card gives figures of, in words."""
    usual: tuple[str, ...] | None = None
    """The conditions that confidence is calibrated to, beside the data as they are; None: all."""
    outputs: tuple[str, ...] = ("logits", "embedding")
    """Names of what the network returns, in its order: logits (B, 7) first."""
    batches_per_epoch: int
    starting_point: str = ""
    """Whose weights the network starts from, with their licence; empty where from none."""
    intended_use: tuple[str, ...] = (
        "Prototypes and studies of interaction, with people who know of it and agree.",
        "Research on how emotion shows in voice, words and face.",
    )
    unintended_use: tuple[str, ...] = (
        "Any decision about a person: hiring, schooling, policing, insurance, care, access.",
        "Watching people who do not know of it; workplaces and schools in the European Union, "
        "where the AI Act (Article 5) forbids it.",
        "Diagnosis. An expression is not what a person feels.",
    )
    known_failures: tuple[str, ...] = ()
    """Who and what it does badly on, beside what the development figures themselves show."""
    dropped: Mapping[str, int] = MappingProxyType({})
    """How many items of the corpora were left out, by corpus and reason, in words."""

    @abstractmethod
    def network(self) -> nn.Module:
        """A fresh network: inputs by position, a tuple of ``outputs`` out."""

    def joined(self, weights: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """One network's state from that of several runs, in the recipe's order.

        Raises:
            MmerError: there are several, and this task's networks cannot be joined.
        """
        if len(weights) > 1:
            raise MmerError(f"{self.modality}: start must name one run; its networks do not join")
        return weights[0]

    @abstractmethod
    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """One epoch of augmented inputs and targets, float32 (B, 7 or more)."""

    @abstractmethod
    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """The development fold without augmentation: inputs and class indices (B,)."""

    def single(self, inputs: Arrays, row: int) -> Arrays:
        """One item of a development batch as the wrapper gives it: a batch of 1, no padding."""
        return {name: array[row : row + 1] for name, array in inputs.items()}

    @abstractmethod
    def development_groups(self) -> list[str]:
        """The speaker or dialogue of each development item, in the order of ``development``."""

    @abstractmethod
    def seen(self) -> Seen:
        """What the weights were fitted to: groups, files, contents."""

    @abstractmethod
    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """Which axes of which inputs vary, and what to call them."""

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """The wrapper's configuration, for the card."""

    @abstractmethod
    def training_data(self) -> tuple[TrainingData, ...]:
        """The corpora used, for the card."""

    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """Known failures and how to read the figures, for the card."""

    def begin(self, network: nn.Module) -> None:  # noqa: B027 (most tasks need none)
        """Look at the network that a run with a ``start`` begins with, before its first epoch."""

    def loss(
        self,
        outputs: tuple[torch.Tensor, ...],
        targets: torch.Tensor,
        weights: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """What training minimises; class weights (7,), label smoothing 0..1."""
        return soft_loss(outputs[0].float(), targets, weights, smoothing)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Groups for the optimizer; "scale" multiplies the recipe's learning rate (default 1)."""
        return [{"params": list(network.parameters())}]

    def settle(self, network: nn.Module) -> None:  # noqa: B027 (most tasks need none)
        """Ready the trained network for the export; its answers must stay as they are."""

    def save_extras(self, folder: Path) -> None:  # noqa: B027 (most tasks have none)
        """Write what the wrapper needs beside the network (a tokenizer)."""
