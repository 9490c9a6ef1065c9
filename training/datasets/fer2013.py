"""Reader of FER2013 (Goodfellow et al. 2013) with the votes of FER+ (Barsoum et al. 2016).

In the root, or in ``fer2013/`` below it, either as published, ``fer2013.csv`` (emotion, pixels,
Usage) and beside it ``fer2013new.csv`` of FER+, row by row the same images; or as arrays,
``train.npz``, ``public_test.npz``, ``private_test.npz`` with ``images``, ``fer_label``,
``ferplus_votes`` and ``row``. Without FER+ the labels are FER2013's own, which are noisy.
"""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.files import need_folder, read_table
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.label_names import maps_to_none

SPLITS: Final = ("train", "public_test", "private_test")
_USAGE: Final[Mapping[str, str]] = {
    "Training": "train",
    "PublicTest": "public_test",
    "PrivateTest": "private_test",
}
FER_LABELS: Final = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
"""The emotions by FER2013's own codes."""
_CODES: Final = {str(code): code for code in range(len(FER_LABELS))}
SEVEN: Final = ("neutral", "joy", "surprise", "sadness", "anger", "disgust", "fear")
VOTES: Final = (*SEVEN, "contempt", "unknown", "not a face")
"""FER+'s ten columns; the last three map to none of the seven."""
_VOTE_COLUMNS: Final = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
_TWINS: Final = "near_duplicate_of_train"
_SIDE: Final = 48


@dataclass(frozen=True, eq=False)
class FerSplit:
    """``images`` uint8 (N, 48, 48), ``labels`` FER2013's codes (N,), ``rows`` in fer2013.csv (N,).

    ``votes`` uint8 (N, 10) in the order of ``VOTES``; None without FER+. ``twins`` bool
    (N,): images that are also in train, where that is documented.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    votes: NDArray[np.uint8] | None
    twins: NDArray[np.bool_] | None = None


def read_fer2013(root: Path, modality: str, split: str) -> Reading:
    """Images with a majority of votes for one of the seven.

    Raises:
        MmerError: the split is missing or not understood.
    """
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for name, part in load_fer2013(root, split).items():
        if part.votes is None:
            labels = [FER_LABELS[code] for code in part.labels]
        else:
            labels = [majority(votes) for votes in part.votes]
        for image, label, row in zip(part.images, labels, part.rows, strict=True):
            if label in EMOTIONS:
                index = EMOTIONS.index(label)
                items.append(Item("fer2013", f"row {row}", index, name, pixels=image))
            else:
                dropped[label if label == "no majority" else maps_to_none(label)] += 1
    return Reading(items, dropped)


def majority(votes: NDArray[np.uint8]) -> str:
    """FER+'s rule: single votes are dropped, more than half of the rest decides."""
    counted = np.where(votes > 1, votes, 0)
    return VOTES[counted.argmax()] if counted.max() > 0.5 * counted.sum() else "no majority"


def load_fer2013(root: Path, split: str) -> dict[str, FerSplit]:
    """The images of a split, or of all splits present, by split.

    Raises:
        MmerError: the split is missing or not understood.
    """
    need_folder(root, "fer2013")
    wanted = SPLITS if split == "all" else (split,)
    for folder in (root, root / "fer2013"):
        if (table := folder / "fer2013.csv").is_file():
            found = _from_table(table, wanted)
        else:
            paths = {name: folder / f"{name}.npz" for name in wanted}
            found = {name: _from_arrays(path) for name, path in paths.items() if path.is_file()}
        if found:
            return found
    raise MmerError(
        f"no {split} split of fer2013 in {root}: expected fer2013.csv (with fer2013new.csv of "
        f"FER+ beside it) or {' or '.join(f'{name}.npz' for name in wanted)}"
    )


def _from_arrays(path: Path) -> FerSplit:
    try:
        with np.load(path, allow_pickle=False) as data:
            n = len(data["images"])
            rows = data["row"] if "row" in data.files else np.arange(n)
            votes = data["ferplus_votes"] if "ferplus_votes" in data.files else None
            labels = data["fer_label"] if votes is None else np.zeros(n)
            twins = data[_TWINS] if _TWINS in data.files else None
            if {len(a) for a in (labels, rows, votes, twins) if a is not None} != {n}:
                raise ValueError(f"its arrays have not one row for each of {n} images")
            if votes is None and not set(labels.tolist()) <= set(range(len(FER_LABELS))):
                raise ValueError(f"labels are not 0..{len(FER_LABELS) - 1}")
            return FerSplit(data["images"], labels.astype(int), rows.astype(int), votes, twins)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise MmerError(f"{path} is not understood: {error}") from error


def _from_table(table: Path, wanted: tuple[str, ...]) -> dict[str, FerSplit]:
    images: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in wanted}
    labels: dict[str, list[int]] = {name: [] for name in wanted}
    rows: dict[str, list[int]] = {name: [] for name in wanted}
    usages = []
    line = 1
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:  # 300 MB: never whole
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            emotion, pixels, usage = (header.index(n) for n in ("emotion", "pixels", "usage"))
            for number, row in enumerate(filter(None, reader)):
                line = reader.line_num
                name = _USAGE[row[usage].strip()]
                usages.append(name)
                if name in wanted:
                    image = np.array(row[pixels].split(), np.uint8).reshape(_SIDE, _SIDE)
                    images[name].append(image)
                    labels[name].append(_CODES[row[emotion].strip()])
                    rows[name].append(number)
    except (OSError, ValueError, KeyError, IndexError, OverflowError, csv.Error) as error:
        raise MmerError(
            f"{table}, line {line}: expected emotion (0 to 6), pixels and Usage ({error!r})"
        ) from error
    votes = _votes(table.with_name("fer2013new.csv"), usages)
    return {
        name: FerSplit(
            np.stack(images[name]),
            np.array(labels[name]),
            np.array(rows[name]),
            None if votes is None else votes[rows[name]],
        )
        for name in wanted
        if images[name]
    }


def _votes(path: Path, usages: list[str]) -> NDArray[np.uint8] | None:
    """FER+'s votes of every row of fer2013.csv, (N, 10); None where there is no such file."""
    if not path.is_file():
        return None
    columns = (*_VOTE_COLUMNS, "contempt", "unknown", "NF")
    votes, splits = [], []
    for line, row in read_table(path, ("Usage", *columns)):
        try:
            votes.append([int(row[name.lower()]) for name in columns])
            splits.append(_USAGE[row["usage"]])
        except (ValueError, KeyError) as error:
            raise MmerError(f"{path}, line {line}: expected a usage and ten counts") from error
    if splits != usages:
        raise MmerError(f"{path} is not of the images of fer2013.csv: their rows differ")
    return np.array(votes, np.uint8)
