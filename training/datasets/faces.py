"""FER2013 pictures with the crowd's votes of FER+ (Barsoum et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mmer.models.labels import EMOTIONS
from mmer.training.datasets.corpora import need
from mmer.training.datasets.likeness import TWIN_DISTANCE, image_key, near

FERPLUS: Final = ("neutral", "joy", "surprise", "sadness", "anger", "disgust", "fear")
"""The first seven of FER+'s ten columns; contempt, unknown and "not a face" map to none."""
_UNKNOWN, _NO_FACE = 8, 9
_COLUMNS: Final = [FERPLUS.index(e) for e in EMOTIONS]


@dataclass(frozen=True, eq=False)
class TrainFaces:
    """``images`` uint8 (N, 48, 48), ``targets`` float32 (N, 7): shares of the votes.

    ``unusable`` uint8 (M, 48, 48): pictures that the taggers could not read or called no face.
    ``keys`` uint64: the image keys of both. ``dropped``: pictures left out, by reason.
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
    """``image_key`` of each picture, uint64 (N,)."""
    return np.array([image_key(image) for image in images], np.uint64)


def read_train(root: Path) -> TrainFaces:
    """The training split: one of each set of twins, none of what the public test split shows.

    Single votes are dropped, as FER+ does; a picture stays when the seven emotions hold at least
    half of the votes that are left. Twins' votes are added up.
    """
    with np.load(need(root / "face/fer2013/public_test.npz")) as data:
        judged_by = image_keys(data["images"])
    with np.load(need(root / "face/fer2013/train.npz")) as data:
        images, votes = data["images"], data["ferplus_votes"].astype(np.float32)
    keys = image_keys(images)
    fresh = ~near(keys, judged_by, TWIN_DISTANCE)
    dropped = {"shown in the public test split": int((~fresh).sum())}
    keys, first, which = np.unique(keys[fresh], return_index=True, return_inverse=True)
    dropped["twin of another, votes added to its"] = len(which) - len(keys)
    images = images[fresh][first]
    single = np.where(votes[fresh] <= 1, 0, votes[fresh])
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
    """The public test split: pictures with a majority for one of the seven.

    ``twins``: also those that occur in FER2013's training split.
    """
    with np.load(need(root / "face/fer2013/public_test.npz")) as data:
        majority = data["ferplus_majority"].astype(np.int64)
        keep = (majority >= 0) & (majority < len(FERPLUS))
        if not twins:
            keep &= ~data["near_duplicate_of_train"]
        images = data["images"][keep]
    to_ours = np.array([EMOTIONS.index(e) for e in FERPLUS])
    return DevelopmentFaces(images, to_ours[majority[keep]])
