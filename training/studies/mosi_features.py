"""CMU-MOSI's ready features of each utterance: reading, context in the video, scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError

FILE: Final = Path("features") / "mosi_uttlevel.npz"
"""Below the folder of the corpora."""
ARRAYS: Final[Mapping[str, str]] = {"speech": "audio", "text": "text", "face": "visual"}
"""The file's name of each modality; "face" is the place of what saw whole frames."""
TRAIN, TEST = 0, 1


@dataclass(frozen=True, eq=False)
class Features:
    """N utterances, those of one video in a row and in their order."""

    vectors: Mapping[str, NDArray[np.float32]]
    """(N, D) by modality; D differs from modality to modality."""
    labels: NDArray[np.int64]
    """(N,): 0 negative, 1 positive; -1 where nobody may know."""
    videos: NDArray[np.int64]
    """(N,): the number of the video, which has one speaker."""


def read_features(data: Path) -> tuple[Features, Features]:
    """The training utterances, and those of the test set without their labels.

    Args:
        data: the folder that holds ``FILE``.

    Raises:
        MmerError: the file is missing, damaged or of another layout.
    """
    path = data / FILE
    if not path.is_file():
        raise MmerError(f"{path} is missing: give --data the folder that holds {FILE}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            vectors = {m: stored[name].astype(np.float32) for m, name in ARRAYS.items()}
            columns = {
                name: stored[name].astype(np.int64)
                for name in ("split", "dialogue", "turn", "label")
            }
    except KeyError as error:
        raise MmerError(f"{path} is not MOSI's features: it lacks {error}") from error
    except (OSError, ValueError, TypeError, EOFError, AttributeError, BadZipFile) as error:
        raise MmerError(f"{path} is not a sound npz file: fetch it anew") from error
    n = columns["label"].size
    for m, name in ARRAYS.items():
        if vectors[m].ndim != 2 or len(vectors[m]) != n:
            raise MmerError(
                f"{path}: {name} has the shape {vectors[m].shape}, expected ({n}, D) as the labels"
            )
        if not np.isfinite(vectors[m]).all():
            raise MmerError(f"{path}: {name} holds numbers that are not finite")
    for name, column in columns.items():
        if column.shape != (n,):
            raise MmerError(f"{path}: {name} has the shape {column.shape}, expected ({n},)")
    order = np.lexsort((columns["turn"], columns["dialogue"]))
    train, test = (order[columns["split"][order] == which] for which in (TRAIN, TEST))
    if not len(train) or not len(test):
        raise MmerError(f"{path}: split names no training (0) or no test (1) utterances")
    if set(columns["label"][train].tolist()) != {0, 1}:
        raise MmerError(f"{path}: training labels are not 0 (negative) and 1 (positive), both")

    def of(rows: NDArray[np.intp], labels: NDArray[np.int64]) -> Features:
        given = {m: each[rows] for m, each in vectors.items()}
        return Features(given, labels, columns["dialogue"][rows])

    return of(train, columns["label"][train]), of(test, np.full(len(test), -1))


def windows(videos: NDArray[np.int64], steps: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each utterance and those just before it in its video.

    Returns:
        Rows (N, steps), the utterance itself first, then ever earlier ones; and a mask (N, steps),
        0 where the video had not begun.
    """
    rows = np.arange(len(videos))[:, None] - np.arange(steps)
    there = (rows >= 0) & (videos[rows] == videos[:, None])
    return np.where(there, rows, 0), there.astype(np.float32)


def standardised(
    vectors: Mapping[str, NDArray[np.float32]], train: NDArray[np.intp]
) -> dict[str, NDArray[np.float32]]:
    """Less the mean and over the deviation of the rows ``train``; constant columns are 0 there."""
    scaled = {}
    for m, each in vectors.items():
        seen = each[train].astype(np.float64)
        deviation = seen.std(axis=0)
        deviation[deviation == 0] = 1
        scaled[m] = ((each - seen.mean(axis=0)) / deviation).astype(np.float32)
    return scaled
