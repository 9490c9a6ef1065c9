"""Leaks: items of the training data are named and refused, look-alikes are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.seen import Seen, file_digest
from mmer.models.errors import MmerError
from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import TWIN_DISTANCE, image_key, near, text_key

_SHOWN: Final = 3
LEAK: Final[Mapping[str, str]] = {
    "speaker": "speaker is in the training data",
    "dialogue": "dialogue is in the training data",
    "file": "file is in the training data",
}
"""Reasons for leaving an item out."""
TWIN: Final = "look-alike is in the training data"


def find_leaks(items: Sequence[Item], seen: Seen) -> dict[int, tuple[str, str]]:
    """By place of the item: ("speaker", "ravdess/12"), ("dialogue", ...) or ("file", its path).

    Raises:
        MmerError: a file cannot be read.
    """
    found: dict[int, tuple[str, str]] = {}
    files = {int(digest) for digest in seen.files}
    digests: dict[Path, int] = {}
    for k, item in enumerate(items):
        if item.speaker_group in seen.groups:
            found[k] = ("speaker", item.speaker_group)
        elif item.dialogue_group in seen.groups:
            found[k] = ("dialogue", item.dialogue_group)
        elif files and item.path is not None:
            if item.path not in digests:
                digests[item.path] = _digest(item.path)
            if digests[item.path] in files:
                found[k] = ("file", str(item.path))
    return found


def _digest(path: Path) -> int:
    try:
        return file_digest(path)
    except OSError as error:
        raise MmerError(f"cannot read {path}: {error.strerror}") from error


def describe(leaks: Mapping[int, tuple[str, str]], n: int, card: Path) -> str:
    """One line that names the first few leaks of each kind and counts the rest."""
    parts = []
    for kind in LEAK:
        names = list(dict.fromkeys(name for k, name in leaks.values() if k == kind))
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            parts.append(f"{kind}{'s' * (len(names) > 1)} {', '.join(names[:_SHOWN])}{more}")
    return f"{len(leaks)} of {n} items are in the training data of {card.name}: {'; '.join(parts)}"


def find_twins(
    items: Sequence[Item], seen: Seen, image_of: Callable[[Item], NDArray[np.uint8] | None]
) -> NDArray[np.bool_]:
    """Which items (N,) equal a training text in letters and digits, or look like a training image.

    ``image_of`` returns an item's image, uint8 (H, W) or (H, W, 3) BGR, or None.
    """
    found = np.zeros(len(items), np.bool_)
    texts = [k for k, item in enumerate(items) if item.text]
    if len(seen.texts) and texts:
        keys = np.array([text_key(items[k].text or "") for k in texts], np.uint64)
        found[texts] = near(keys, seen.texts)
    if len(seen.images):
        shown = [
            (k, image) for k, item in enumerate(items) if (image := image_of(item)) is not None
        ]
        keys = np.array([image_key(_grey(image)) for _, image in shown], np.uint64)
        found[[k for k, _ in shown]] |= near(keys, seen.images, TWIN_DISTANCE)
    return found


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def leave_out(
    items: Sequence[Item], reasons: Mapping[int, str], dropped: Counter[str]
) -> list[Item]:
    """The items without a reason; the others are counted in ``dropped``."""
    dropped.update(reasons.values())
    return [item for k, item in enumerate(items) if k not in reasons]
