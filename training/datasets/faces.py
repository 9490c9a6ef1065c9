"""FER2013 pictures with the crowd's votes of FER+ (Barsoum et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from mmer.models.labels import EMOTIONS
from mmer.training.datasets.corpora import need

FERPLUS: Final = ("neutral", "joy", "surprise", "sadness", "anger", "disgust", "fear")
"""The first seven of FER+'s ten columns; contempt, unknown and "not a face" map to none."""


@dataclass(frozen=True)
class FaceSet:
    """Pictures and targets: images uint8 (N, 48, 48), targets float32 (N, 7), labels int64 (N,)."""

    images: np.ndarray
    targets: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def _seven(votes: np.ndarray) -> np.ndarray:
    """FER+'s columns in the order of EMOTIONS, shape (N, 7)."""
    return np.asarray(votes[:, [FERPLUS.index(e) for e in EMOTIONS]])


def read_train(root: Path) -> FaceSet:
    """The training split with the distribution of votes as target.

    Single votes are dropped, as FER+ does; a picture stays when the seven emotions hold at least
    half of the votes that are left. ``labels`` is the commonest vote.
    """
    with np.load(need(root / "face/fer2013/train.npz")) as data:
        images, votes = data["images"], data["ferplus_votes"].astype(np.float32)
    votes[votes <= 1] = 0
    seven = _seven(votes)
    mass = seven.sum(axis=1)
    keep = (mass > 0) & (mass >= 0.5 * votes.sum(axis=1))
    targets = seven[keep] / mass[keep, None]
    return FaceSet(images[keep], targets, targets.argmax(axis=1))


def read_development(root: Path) -> FaceSet:
    """The public test split: a majority for one of the seven, and no picture that is in train."""
    with np.load(need(root / "face/fer2013/public_test.npz")) as data:
        majority = data["ferplus_majority"].astype(np.int64)
        keep = (majority >= 0) & (majority < len(FERPLUS)) & ~data["near_duplicate_of_train"]
        images = data["images"][keep]
    to_ours = np.array([EMOTIONS.index(e) for e in FERPLUS])
    labels = to_ours[majority[keep]]
    return FaceSet(images, np.eye(len(EMOTIONS), dtype=np.float32)[labels], labels)
