"""Face task: FER2013 images with FER+ votes, and crops that are no usable face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import nn

from mmer.models.cards.card import TrainingData
from mmer.models.cards.seen import Seen, as_keys
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.face import FaceNetwork
from mmer.models.networks.shipped.face_pair import DlibFace, FacePair
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.grey_face import GreyFace
from mmer.training.augment.face import FaceChanges, change_face
from mmer.training.augment.non_faces import SCENES_SOURCE, NonFaces, read_scenes
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.faces import read_development, read_train
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.tasks import dlib_resnet
from mmer.training.tasks.task import Arrays, Task, soft_loss

TWINS: Final = "all (with those that also occur in FER2013's training split, kept out of training)"


@dataclass(frozen=True)
class FaceOptions:
    """Options of the face recipe.

    The eyes are where a face detector finds them in the training crops (medians; see
    ``training/studies/measure_eyes.py``), as fractions of the crop, left and right in the image:
    live crops are cut to match.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    usable_below: float = 0.0
    """Probability (0..1) of a usable face below which the live recognizer ignores the crop."""
    widths: tuple[int, int, int] = (32, 64, 128)
    dropout: float = 0.2
    side: int = 40
    """Pixels of the training windows, anywhere in the crop; inference uses the middle one."""
    pair: bool = False
    """Train dlib's ResNet, to be used together with the network of the run in ``start``, or that
    run's pair further."""
    second_side: int = 44
    """``side`` of the pair's second network."""
    second_dropout: float = 0.4
    second_share: float = 0.5
    """Weight (0..1) of its logits in the pair's."""
    second_frozen: int = 0
    """Its lower residual blocks that keep their pretrained weights, with what is below them."""
    tuned_rate: float = 0.3
    """Learning rate of its pretrained weights, as a share of its heads'."""
    no_faces: int = 16
    """Crops that are no usable face in each batch, beside the recipe's ``batch`` of faces."""
    usable_weight: float = 0.3
    """Weight of the usable-face loss."""
    changes: Mapping[str, float] = field(default_factory=dict)


def _unchanged(image: np.ndarray) -> np.ndarray:
    return image


def _downscaled(image: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    size = image.shape[0]
    warp = cv2.getRotationMatrix2D(((size - 1) / 2,) * 2, degrees, 1.0)
    return cv2.warpAffine(image, warp, (size, size), borderMode=cv2.BORDER_REPLICATE)


def _covered(image: np.ndarray, side: str) -> np.ndarray:
    out, half = image.copy(), image.shape[0] // 2
    {"left": out[:, :half], "lower": out[half:], "upper": out[:half]}[side][:] = 128
    return out


CONDITIONS: Final[Mapping[str, Callable[[np.ndarray], np.ndarray]]] = {
    TWINS: _unchanged,
    "blur of 1 pixel": lambda image: cv2.GaussianBlur(image, (0, 0), 1.0),
    "blur of 2 pixels": lambda image: cv2.GaussianBlur(image, (0, 0), 2.0),
    "24 pixels, enlarged": lambda image: _downscaled(image, 24),
    "16 pixels, enlarged": lambda image: _downscaled(image, 16),
    "the dark (gamma 2.5)": lambda image: (255 * (image / 255.0) ** 2.5).astype(np.uint8),
    "a turn of 20 degrees": lambda image: _rotated(image, 20.0),
    "the left half covered": lambda image: _covered(image, "left"),
    "the lower half covered": lambda image: _covered(image, "lower"),
    "the upper half covered": lambda image: _covered(image, "upper"),
}


class FaceTask(Task):
    """The task of ``FaceNetwork`` and ``FacePair``; targets are (B, 8).

    They are the shares of the votes, and 1 for a usable face.
    """

    modality = "face"
    development_data = (
        "FER+ public test split: images with a majority for one of the seven, "
        "without those that also occur in the training split"
    )
    conditions = tuple(CONDITIONS)
    known_failures = (
        "Disgust and fear are rare in the training data (below 3 %) and weak.",
        "Images are posed or candid web images of strong expressions; a calm face at a webcam "
        "is mostly neutral, and a talking mouth can pass for surprise or joy.",
        "Faces half covered, turned well away, or of fewer than about 20 pixels; a lower half "
        "that is hidden (hand, mask, microphone) hides most of joy and surprise.",
        "Skin colour, age, sex, glasses and beards: FER2013 does not say, so how much worse it is "
        "for whom is unknown.",
    )
    outputs = ("logits", "embedding", "usable")

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None = None, weights: Path | None = None
    ) -> None:
        self._recipe = recipe
        self._options = from_table(FaceOptions, recipe.options, f"recipe {recipe.name}: options")
        self._changes = from_table(
            FaceChanges, self._options.changes, f"recipe {recipe.name}: options.changes"
        )
        if self._options.pair:
            if len(recipe.start) != 1:
                raise MmerError(
                    f"recipe {recipe.name}: a pair must start from one run, of its first network"
                )
            self.starting_point = dlib_resnet.NAME
            self._pretrained = dlib_resnet.model_file()
        self._side = self._options.second_side if self._options.pair else self._options.side
        self._train = read_train(data)
        self._development = read_development(data)
        self._with_twins = read_development(data, twins=True)
        self.dropped = {f"fer2013: {why}": n for why, n in self._train.dropped.items()}
        self._scenes = read_scenes()
        self._non_faces = NonFaces(self._train.images, self._scenes)
        self.class_shares = self._train.targets.mean(axis=0)
        self.batches_per_epoch = len(self._train.images) // recipe.batch

    def network(self) -> nn.Module:
        o = self._options
        a, b, c = o.widths
        first = FaceNetwork((a, b, c), o.dropout, o.side)
        if not o.pair:
            return first
        second = DlibFace(o.second_side, o.second_dropout, o.second_frozen)
        dlib_resnet.fill(second.body, self._pretrained)
        return FacePair(first, second, o.second_share)

    def joined(self, weights: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """A pair begins with that of another run, or its first network's and pretrained weights."""
        state = super().joined(weights)
        if not self._options.pair or "second.head.weight" in state:
            return state
        return self.network().state_dict() | {f"first.{k}": v for k, v in state.items()}

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        if not isinstance(network, FacePair):
            return super().parameter_groups(network)
        second = network.second
        tuned = [p for p in second.body.parameters() if p.requires_grad]
        heads = [*second.head.parameters(), *second.usable.parameters()]
        return [{"params": heads}, {"params": tuned, "scale": self._options.tuned_rate}]

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Every image once, augmented, and in each batch some crops that are no usable face."""
        size, extra = self._recipe.batch, self._options.no_faces
        order = rng.permutation(len(self._train.images))
        targets = np.zeros((size + extra, len(EMOTIONS) + 1), np.float32)
        targets[:size, -1] = 1
        for k in range(self.batches_per_epoch):
            rows = order[k * size : (k + 1) * size]
            images = [self._change(self._train.images[r], rng) for r in rows]
            images += [self._no_face(rng) for _ in range(extra)]
            targets[:size, :-1] = self._train.targets[rows]
            yield {"image": np.stack(images)[:, None]}, targets.copy()

    def _change(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return change_face(image, rng, self._changes, self._side)

    def _no_face(self, rng: np.random.Generator) -> np.ndarray:
        unusable = self._train.unusable
        if len(unusable) and rng.random() < 0.03:  # few images: seldom, lest they be memorised
            return self._change(unusable[rng.integers(len(unusable))], rng)
        return self._non_faces.draw(rng, self._side)

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        faces = self._with_twins if condition == TWINS else self._development
        degrade = CONDITIONS[condition] if condition else _unchanged
        for k in range(0, len(faces.images), 256):
            images = np.stack([degrade(image) for image in faces.images[k : k + 256]])
            yield {"image": images[:, None].astype(np.float32)}, faces.labels[k : k + 256]

    def development_groups(self) -> list[str]:
        return [f"fer2013/{k}" for k in range(len(self._development.labels))]

    def seen(self) -> Seen:
        return Seen(frozenset(), images=as_keys(int(key) for key in self._train.keys))

    def loss(
        self,
        outputs: tuple[torch.Tensor, ...],
        targets: torch.Tensor,
        weights: torch.Tensor,
        smoothing: float,
    ) -> torch.Tensor:
        """Cross-entropy of the expression on usable faces, and of the usable-face output on all."""
        usable = targets[:, -1]
        faces = usable > 0.5
        expression = soft_loss(outputs[0].float()[faces], targets[faces, :-1], weights, smoothing)
        usable_loss = nn.functional.binary_cross_entropy_with_logits(outputs[2].float(), usable)
        return expression + self._options.usable_weight * usable_loss

    def dynamic_axes(self) -> Mapping[str, Mapping[int, str]]:
        return {"image": {0: "batch"}}

    def preprocessing(self) -> dict[str, Any]:
        o = self._options
        size = int(self._train.images.shape[1])
        (left_x, left_y), (right_x, right_y) = o.left_eye, o.right_eye  # lists, from TOML
        crop = GreyFace(CropGeometry(size, (left_x, left_y), (right_x, right_y)))
        return {"input": crop.settings(), "usable_below": o.usable_below}

    def training_data(self) -> tuple[TrainingData, ...]:
        scenery, licence = SCENES_SOURCE
        return (
            training_data("fer2013", "train", len(self._train.keys)),
            TrainingData("scenery", "no faces", len(self._scenes), licence, scenery),
        )

    def notes(self) -> tuple[str, ...]:
        return (
            "Trained on the distribution of the crowd's votes, rare classes weighted up "
            f"(class_balance {self._recipe.class_balance}).",
            "Whether a crop is a usable face was learned from generated counter-examples "
            "(scenery, textures, noise, faces turned over, half out, too near or far, blurred "
            "away, covered, in pieces) and the few training images that the annotators could not "
            "read.",
            "FER+ has no subject ids: the same person may occur in both splits.",
        )
