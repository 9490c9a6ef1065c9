"""Reader of images in folders named after their labels, and of muxspace's faces.

    ROOT/happy/anything.png or ROOT/train/happy/anything.png

Labels in the spellings of ``LABELS``; splits train, dev (also val, valid, validation) and test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.training.datasets.files import IMAGE_SUFFIXES, NOTES, need_folder, read_table, walk
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.label_names import LABELS, folded, maps_to_none

SPLITS: Final = ("train", "dev", "test")
_FOLDERS: Final[Mapping[str, str]] = {
    **{name: name for name in SPLITS},
    **dict.fromkeys(("training", "train_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "val_set", "development"), "dev"),
    **dict.fromkeys(("testing", "test_set"), "test"),
}


def read_images(root: Path, modality: str, split: str) -> Reading:
    """The images below the folders of labels; an image's label is that of the nearest folder.

    Files there that are no images that can be read are counted (a phone's .heic).

    Raises:
        MmerError: no such folder, a folder that is no label, or no image in the split.
    """
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for path in walk(need_folder(root, "images")):
        suffix = path.suffix.lower()
        if suffix in NOTES:
            continue
        folders = [folded(part) for part in path.relative_to(root).parts[:-1]]
        fold = next((_FOLDERS[f] for f in folders if f in _FOLDERS), "")
        if split not in ("all", fold):
            continue
        name = next((f for f in reversed(folders) if f in LABELS), None)
        if suffix not in IMAGE_SUFFIXES:
            if name is not None:
                dropped[f"{suffix or 'a file without a suffix'} is not a supported image"] += 1
            continue
        if name is None:
            raise MmerError(
                f"{path} is in no folder named after a label: expected folders such as "
                f"{root}/happy or {root}/test/happy"
            )
        label = LABELS[name]
        if label is None:
            dropped[maps_to_none(name)] += 1
        else:
            key = path.relative_to(root).as_posix()
            items.append(Item("images", key, label, fold, path=path))
    if not items and not dropped:
        folder = root if split == "all" else root / split
        raise MmerError(f"no images: expected folders such as {folder / 'happy'}")
    return Reading(items, dropped)


def read_muxspace(root: Path, modality: str, split: str) -> Reading:
    """muxspace's facial expressions: ``labels.csv`` (image, label) beside the folder ``images``.

    Raises:
        MmerError: the table or an image is missing, or a label is unknown.
    """
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    table = need_folder(root, "muxspace") / "labels.csv"
    for line, row in read_table(table, ("image", "label")):
        name, path = folded(row["label"]), root / "images" / row["image"]
        if name not in LABELS:
            raise MmerError(f"{table}, line {line}: unknown label {row['label']!r}")
        if not path.is_file():
            raise MmerError(f"{table}, line {line}: there is no {path}")
        label = LABELS[name]
        if label is None:
            dropped[maps_to_none(name)] += 1
        else:
            items.append(Item("muxspace", row["image"], label, path=path))
    return Reading(items, dropped)
