"""Task interface: data, network and card of one modality, for the training loop and export."""

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
    """The data of one modality, split, and the network trained on it.

    Constructed as ``Task(recipe, data, cache, weights)``: see ``registry.open_task``. Arrays are
    NumPy throughout, so that the exported network is evaluated on the inputs of the trained one.
    """

    modality: str
    class_shares: np.ndarray
    """Share of each class in the training targets as they are drawn, shape (7,)."""
    development_data: str
    """Description of the development data."""
    conditions: tuple[str, ...] = ()
    """Descriptions of degraded development data with figures in the card."""
    usual: tuple[str, ...] | None = None
    """Conditions that confidence is calibrated on, beside the clean data; None: all that have the
    same items."""
    outputs: tuple[str, ...] = ("logits", "embedding")
    """Names of the network's outputs, in order: logits (B, 7) first."""
    batches_per_epoch: int
    float_products: int = 0
    """Large products from the input on that the network in int8 has in float."""
    narrow_in_float: bool = True
    """Whether it has those in float, too, whose matrix has more rows than columns."""
    starting_point: str = ""
    """Pretrained weights that the network starts from, with their licence; empty for none."""
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
    """Known weaknesses beside those that the development figures show."""
    dropped: Mapping[str, int] = MappingProxyType({})
    """Number of items left out, by corpus and reason."""

    @abstractmethod
    def network(self) -> nn.Module:
        """A new network: inputs by position, a tuple of ``outputs`` out."""

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

    def same_items(self, condition: str) -> bool:
        """Whether a condition has the items of the development data, in their order.

        Temperature and threshold are fitted to such conditions (see ``usual``), to others never.
        """
        return True

    def single(self, inputs: Arrays, row: int) -> Arrays:
        """One item of a development batch as in inference: a batch of 1, no padding."""
        return {name: array[row : row + 1] for name, array in inputs.items()}

    @abstractmethod
    def development_groups(self) -> list[str]:
        """The speaker or dialogue of each development item, in the order of ``development``."""

    @abstractmethod
    def seen(self) -> Seen:
        """Training-set fingerprint: groups, files, contents."""

    @abstractmethod
    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """Names of the dynamic axes by input."""

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """Preprocessing, for the card."""

    @abstractmethod
    def training_data(self) -> tuple[TrainingData, ...]:
        """The corpora used, for the card."""

    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """Notes on the figures, for the card."""

    def begin(self, network: nn.Module) -> None:  # noqa: B027 (most tasks need none)
        """Prepare with the network that a run starts from, before the first epoch."""

    def loss(
        self,
        outputs: tuple[torch.Tensor, ...],
        targets: torch.Tensor,
        weights: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """Training loss; class weights (7,), label smoothing 0..1."""
        return soft_loss(outputs[0].float(), targets, weights, smoothing)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Groups for the optimizer; "scale" multiplies the recipe's learning rate (default 1)."""
        return [{"params": list(network.parameters())}]

    def settle(self, network: nn.Module) -> None:  # noqa: B027 (most tasks need none)
        """Prepare the trained network for export; its outputs must not change."""

    def save_extras(self, folder: Path) -> None:  # noqa: B027 (most tasks have none)
        """Write further files of the model, as a tokenizer."""
