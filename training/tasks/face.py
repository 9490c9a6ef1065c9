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
from mmer.models.networks.shipped.dlib_resnet import STAGES
from mmer.models.networks.shipped.face import FaceNetwork
from mmer.models.preparation.face_crop import CropGeometry
from mmer.models.preparation.grey_face import GreyFace
from mmer.training.augment.face import FaceChanges, change_face
from mmer.training.augment.non_faces import SCENES_SOURCE, NonFaces, read_scenes
from mmer.training.datasets.corpora import training_data
from mmer.training.datasets.faces import read_development, read_train
from mmer.training.recipes.recipe import Recipe, from_table
from mmer.training.tasks import dlib_resnet
from mmer.training.tasks.task import Arrays, Task, soft_loss

_MEASURED_BY = 512
"""Training images that the statistics of pretrained weights are measured on."""
_STAGES_OF: Final = {sum(count for _, count, _ in STAGES[:n]): n for n in range(1, len(STAGES) + 1)}
"""Stages of dlib's ResNet by its blocks."""
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
    stages: int = 3
    """Stages of dlib's ResNet, from the input up."""
    dropout: float = 0.3
    window: int = 44
    """Pixels of the training windows, anywhere in the crop; inference uses the middle one."""
    taught: float = 0.0
    """Share of the loss by the mean answer of the runs in ``start`` (distillation, Hinton et al.
    2015) in place of the votes."""
    taught_balance: float = 0.0
    """``class_balance`` of the teachers' recipe: their answers are brought to this one's (Menon et
    al. 2021)."""
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
    """The task of ``FaceNetwork``; targets are (B, 8), or (B, 15) where it is taught.

    They are the shares of the votes, 1 for a usable face, and the probabilities of the teachers. A
    run that names others in ``start`` begins with the weights of the first, and all are teachers.
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
    starting_point = dlib_resnet.NAME

    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None = None, weights: Path | None = None
    ) -> None:
        self._recipe = recipe
        self._options = from_table(FaceOptions, recipe.options, f"recipe {recipe.name}: options")
        self._changes = from_table(
            FaceChanges, self._options.changes, f"recipe {recipe.name}: options.changes"
        )
        if not 0 <= self._options.taught <= 1:
            raise MmerError(f"recipe {recipe.name}: taught must be 0..1: {self._options.taught}")
        if self._options.taught and not recipe.start:
            raise MmerError(f"recipe {recipe.name}: taught needs teachers: name runs in start")
        self._teachers: list[FaceNetwork] = []
        self._train = read_train(data)
        self._development = read_development(data)
        self._with_twins = read_development(data, twins=True)
        self._pretrained = dlib_resnet.model_file()
        self.dropped = {f"fer2013: {why}": n for why, n in self._train.dropped.items()}
        self._scenes = read_scenes()
        self._non_faces = NonFaces(self._train.images, self._scenes)
        self.class_shares = self._train.targets.mean(axis=0)
        self.batches_per_epoch = len(self._train.images) // recipe.batch

    def network(self) -> nn.Module:
        """Pretrained, its statistics measured on training images."""
        network = self._of(self._options.stages)
        dlib_resnet.fill(network.body, self._pretrained)
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(self._train.images))[:_MEASURED_BY]
        images = np.stack([self._change(self._train.images[r], rng) for r in rows])[:, None]
        dlib_resnet.measure(network.body, network.enlarged(torch.from_numpy(images)))
        return network

    def _of(self, stages: int) -> FaceNetwork:
        return FaceNetwork(stages, self._options.dropout, self._options.window)

    def joined(self, weights: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """That of the first; where the recipe has ``taught``, all are the teachers."""
        if not self._options.taught:
            return super().joined(weights)
        self._teachers = []
        for state in weights:
            blocks = len({name.split(".")[2] for name in state if name.startswith("body.blocks.")})
            teacher = self._of(_STAGES_OF.get(blocks, self._options.stages))
            try:
                teacher.load_state_dict(state)
            except RuntimeError as error:
                raise MmerError(
                    f"recipe {self._recipe.name}: a teacher is not a face run"
                ) from error
            for parameter in teacher.parameters():
                if parameter.dim() == 4:  # takes two thirds of the time in bfloat16
                    parameter.data = parameter.data.to(memory_format=torch.channels_last)
            self._teachers.append(teacher.eval().requires_grad_(False))
        return weights[0]

    @torch.no_grad()
    def _taught(self, images: np.ndarray) -> np.ndarray:
        """Probabilities (B, 7) of the teachers' mean logits, at this recipe's balance."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        x = torch.from_numpy(images).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=self._recipe.mixed_precision == "bf16"):
            logits = [teacher.to(device)(x)[0].float() for teacher in self._teachers]
        less = self._options.taught_balance - self._recipe.class_balance
        prior = torch.from_numpy(np.log(np.maximum(self.class_shares, 1e-6)) * less).float()
        return np.asarray((torch.stack(logits).mean(dim=0).cpu() + prior).softmax(dim=1))

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
        """Every image once, augmented, and in each batch some crops that are no usable face."""
        size, extra = self._recipe.batch, self._options.no_faces
        order = rng.permutation(len(self._train.images))
        classes = len(EMOTIONS)
        columns = classes + 1 + (classes if self._options.taught else 0)
        targets = np.zeros((size + extra, columns), np.float32)
        targets[:size, classes] = 1
        for k in range(self.batches_per_epoch):
            rows = order[k * size : (k + 1) * size]
            faces = [self._change(self._train.images[r], rng) for r in rows]
            images = np.stack([*faces, *(self._no_face(rng) for _ in range(extra))])[:, None]
            targets[:size, :classes] = self._train.targets[rows]
            if self._options.taught:
                targets[:size, classes + 1 :] = self._taught(images[:size])
            yield {"image": images}, targets.copy()

    def _change(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return change_face(image, rng, self._changes, self._options.window)

    def _no_face(self, rng: np.random.Generator) -> np.ndarray:
        unusable = self._train.unusable
        if len(unusable) and rng.random() < 0.03:  # few images: seldom, lest they be memorised
            return self._change(unusable[rng.integers(len(unusable))], rng)
        return self._non_faces.draw(rng, self._options.window)

    def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
        faces = self._with_twins if condition == TWINS else self._development
        degrade = CONDITIONS[condition] if condition else _unchanged
        for k in range(0, len(faces.images), 256):
            images = np.stack([degrade(image) for image in faces.images[k : k + 256]])
            yield {"image": images[:, None].astype(np.float32)}, faces.labels[k : k + 256]

    def same_items(self, condition: str) -> bool:
        return condition != TWINS

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
        """Cross-entropy of the expression on usable faces, and of the usable-face output on all.

        The teachers' answers are weighted by class already.
        """
        classes, taught = len(EMOTIONS), self._options.taught
        usable = targets[:, classes]
        faces = usable > 0.5
        logits, goal = outputs[0].float()[faces], targets[faces]
        expression = soft_loss(logits, goal[:, :classes], weights, smoothing)
        if taught:
            theirs = soft_loss(logits, goal[:, classes + 1 :], torch.ones_like(weights), 0.0)
            expression = torch.lerp(expression, theirs, taught)
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
