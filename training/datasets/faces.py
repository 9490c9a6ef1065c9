"""Training and development faces: FER2013 images with the votes of FER+ (Barsoum et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.fer2013 import VOTES, FerSplit, load_fer2013, majority
from mmer.training.datasets.likeness import TWIN_DISTANCE, image_key, near

_UNKNOWN, _NO_FACE = VOTES.index("unknown"), VOTES.index("not a face")
_COLUMNS: Final = [VOTES.index(e) for e in EMOTIONS]


@dataclass(frozen=True, eq=False)
class TrainFaces:
    """``images`` uint8 (N, 48, 48), ``targets`` float32 (N, 7): shares of the votes.

    ``unusable`` uint8 (M, 48, 48): images that the annotators could not label or called no face.
    ``keys`` uint64: the image keys of both. ``dropped``: images left out, by reason.
    """

    images: np.ndarray
    targets: np.ndarray
    unusable: np.ndarray
    keys: np.ndarray
    dropped: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class DevelopmentFaces:
    """``images`` uint8 (N, 48, 48), ``labels`` int64 (N,), indices into EMOTIONS."""

    images: np.ndarray
    labels: np.ndarray


def image_keys(images: np.ndarray) -> np.ndarray:
    """``image_key`` of each image, uint64 (N,)."""
    return np.array([image_key(image) for image in images], np.uint64)


def read_train(root: Path) -> TrainFaces:
    """The training split: one of each set of twins, none that is like one of the public test split.

    Single votes are dropped, as in FER+; an image stays where the seven emotions have at least half
    of the remaining votes. Votes of twins are added.
    """
    held_out = image_keys(_load(root, "public_test")[0].images)
    part, votes = _load(root, "train")
    images, keys = part.images, image_keys(part.images)
    fresh = ~near(keys, held_out, TWIN_DISTANCE)
    dropped = {"shown in the public test split": int((~fresh).sum())}
    keys, first, which = np.unique(keys[fresh], return_index=True, return_inverse=True)
    dropped["twin of another, votes added to its"] = len(which) - len(keys)
    images = images[fresh][first]
    single = np.where(votes[fresh] <= 1, 0, votes[fresh]).astype(np.float32)
    votes = np.zeros((len(keys), votes.shape[1]), np.float32)
    np.add.at(votes, which, single)

    seven = votes[:, _COLUMNS]
    mass, total = seven.sum(axis=1), votes.sum(axis=1)
    keep = (mass > 0) & (mass >= 0.5 * total)
    unusable = votes[:, [_UNKNOWN, _NO_FACE]].sum(axis=1) > 0.5 * total
    unusable |= votes[:, _NO_FACE] > 0
    dropped["mostly contempt or no votes"] = int((~keep & ~unusable).sum())
    keep &= ~unusable
    return TrainFaces(
        images[keep],
        seven[keep] / mass[keep, None],
        images[unusable],
        np.concatenate([keys[keep], keys[unusable]]),
        dropped,
    )


def read_development(root: Path, twins: bool = False) -> DevelopmentFaces:
    """The public test split: images with a majority for one of the seven.

    ``twins``: also those that occur in FER2013's training split.
    """
    part, votes = _load(root, "public_test")
    names = [majority(row) for row in votes]
    keep = np.array([name in EMOTIONS for name in names])
    if not twins:
        keep &= ~_twins(root, part)
    labels = [EMOTIONS.index(names[row]) for row in np.flatnonzero(keep)]
    return DevelopmentFaces(part.images[keep], np.array(labels, np.int64))


def _load(root: Path, split: str) -> tuple[FerSplit, np.ndarray]:
    """A split and FER+'s votes uint8 (N, 10)."""
    part = load_fer2013(root / "face", split)[split]
    if part.votes is None:
        raise MmerError(f"{root / 'face'}: no votes of FER+: put fer2013new.csv beside fer2013.csv")
    return part, part.votes


def _twins(root: Path, part: FerSplit) -> np.ndarray:
    """Which images are also in train: as documented, else by their keys."""
    if part.twins is not None:
        return part.twins
    train, _ = _load(root, "train")
    return near(image_keys(part.images), image_keys(train.images), TWIN_DISTANCE)
