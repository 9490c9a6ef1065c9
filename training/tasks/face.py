"""The face task: FER2013 pictures, FER+ votes, a small residual network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mmer.models.card import TrainingData
from mmer.models.networks.face import FaceNetwork
from mmer.training.augment import FaceChanges, change_face
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.faces import read_development, read_train
from mmer.training.recipe import Recipe, from_table
from mmer.training.tasks.task import Arrays, Task


@dataclass(frozen=True)
class FaceOptions:
    """The face recipe's own settings.

    The eyes are where a face detector finds them in the training crops (medians; see
    ``training/measure_eyes.py``), as fractions of the crop, left and right as seen in the picture:
    live crops are cut to match.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    widths: tuple[int, int, int] = (32, 64, 128)
    dropout: float = 0.3
    changes: Mapping[str, float] = field(default_factory=dict)


class FaceTask(Task):
    """See ``Task``."""

    modality = "face"
    development_data = (
        "FER+ public test split: pictures with a majority for one of the seven, "
        "without those that also occur in the training split"
    )

    conditions: tuple[str, ...] = ()

    def __init__(self, recipe: Recipe, data: Path) -> None:
        self._recipe = recipe
        self._options = from_table(FaceOptions, recipe.options, f"recipe {recipe.name}: options")
        self._changes = from_table(
            FaceChanges, self._options.changes, f"recipe {recipe.name}: options.changes"
        )
        self._train = read_train(data)
        self._development = read_development(data)
        self.class_shares = self._train.targets.mean(axis=0)
        self.batches_per_epoch = len(self._train) // recipe.batch

    def network(self) -> nn.Module:
        """A fresh ``FaceNetwork``."""
        a, b, c = self._options.widths
        return FaceNetwork((a, b, c), self._options.dropout)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Every picture once, changed."""
        size = self._recipe.batch
        order = rng.permutation(len(self._train))
        for k in range(self.batches_per_epoch):
            rows = order[k * size : (k + 1) * size]
            images = [change_face(self._train.images[r], rng, self._changes) for r in rows]
            yield {"image": np.stack(images)[:, None]}, self._train.targets[rows]

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        """The pictures as they are."""
        for k in range(0, len(self._development), 256):
            images = self._development.images[k : k + 256, None].astype(np.float32)
            yield {"image": images}, self._development.labels[k : k + 256]

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        """The batch alone."""
        return {"image": {0: "batch"}}

    def preprocessing(self) -> dict[str, Any]:
        """Size of the crop and where the eyes lie in it."""
        return {
            "size": int(self._train.images.shape[1]),
            "colour": "grey, 0..255 (Rec. 601 luma)",
            "left_eye": list(self._options.left_eye),
            "right_eye": list(self._options.right_eye),
        }

    def training_data(self) -> tuple[TrainingData, ...]:
        """FER2013 with FER+."""
        return (training_data("fer2013", "train", len(self._train)),)

    def notes(self) -> tuple[str, ...]:
        """How to read the figures."""
        return (
            "Trained on the distribution of the crowd's votes, rare classes weighted up "
            f"(class_balance {self._recipe.class_balance}).",
            "Disgust and fear are rare in the training data (below 3 %) and weak.",
            "Pictures are posed or candid web images of strong expressions; a calm face at a "
            "webcam is mostly neutral, and a talking mouth can pass for surprise or joy.",
            "FER+ has no subject ids: the same person may occur in both splits.",
        )

    def save_extras(self, folder: Path) -> None:
        """Nothing."""
