"""Items of a run: read, split by speaker or dialogue, twins left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import text_key
from mmer.training.datasets.registry import read
from mmer.training.multimodal.options import MultimodalOptions

_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "face": ("video", "face"),
    "clip": ("video",),
    "speech": ("audio",),
    "text": ("text",),
}
"""Folders of the data folder in which a corpus is looked for, by modality."""


@dataclass(frozen=True)
class Parts:
    """The items to train on, to stop by (development), and to evaluate."""

    train: list[Item]
    development: list[Item]
    evaluated: list[Item]
    """With the corpus' own splits these are the development items: its test split is for
    ``mmer-evaluate``."""
    dropped: Counter[str] = field(default_factory=Counter)


def group_of(item: Item) -> str:
    """The group that no split may divide: the speaker where one is known, else the dialogue.

    Where neither is, the recording of which the item is a part, else the item itself.
    """
    part = item.start_s is not None or item.end_s is not None
    recording = f"{item.corpus}/{item.path}" if part and item.path is not None else item.id
    return item.speaker_group or item.dialogue_group or recording


def modality_to_read(options: MultimodalOptions) -> str:
    """The modality as which the corpus is read: one whose media hold all that the run needs."""
    if options.read_as:
        return options.read_as
    wanted = set(options.modalities)
    if "face" in wanted:
        return "face" if wanted == {"face"} else "clip"
    if "speech" in wanted or options.words == "recognizer":
        return "speech"
    return "text"


def root_of(options: MultimodalOptions, data: Path, modality: str) -> Path:
    """The corpus' folder below the data folder.

    Raises:
        MmerError: it is not there.
    """
    if options.root:
        return data / options.root
    places = [data / kind / options.corpus for kind in _KINDS[modality]]
    places.append(data / options.corpus)
    for place in places:
        if place.exists():
            return place
    raise MmerError(
        f"{options.corpus} is not in {data}: looked for {' and '.join(map(str, places))}; put it "
        "there, or name its folder in the recipe (options.root)"
    )


def read_parts(options: MultimodalOptions, data: Path, seed: int) -> Parts:
    """Read the corpus and split it.

    Raises:
        MmerError: it is missing, or too few groups for the folds.
    """
    modality = modality_to_read(options)
    root = root_of(options, data, modality)
    dropped: Counter[str] = Counter()

    def items_of(split: str) -> list[Item]:
        reading = read(options.corpus, root, modality, split)
        dropped.update(reading.dropped)
        return _some(reading.items, options.limit)

    train = [item for split in options.train for item in items_of(split)]
    if options.folds:
        train, development, evaluated = _deal(train, options, seed)
    else:
        development = evaluated = items_of(options.development)
    if options.drop_twins:
        held_out = {text_key(item.text) for item in (*development, *evaluated) if item.text}
        distinct = [i for i in train if not i.text or text_key(i.text) not in held_out]
        dropped["the evaluated data has the same text"] += len(train) - len(distinct)
        train = distinct
    shared = {group_of(i) for i in train} & {group_of(i) for i in (*development, *evaluated)}
    if shared:
        raise MmerError(
            f"{options.corpus}: {len(shared)} speakers, dialogues or files would be in training "
            f"and evaluation ({sorted(shared)[0]}); choose splits that share none"
        )
    for what, items in (("train", train), ("develop", development), ("evaluate", evaluated)):
        if not items:
            raise MmerError(f"{options.corpus}: nothing to {what} on below {root}")
    return Parts(train, development, evaluated, dropped)


def _some(items: list[Item], limit: int) -> list[Item]:
    if not limit or len(items) <= limit:
        return items
    return [items[k] for k in np.linspace(0, len(items) - 1, limit).round().astype(int)]


def connected_groups(items: Sequence[Item]) -> list[str]:
    """The connected component of each item among speakers and dialogues, by one of its names.

    The speakers of one dialogue belong together (IEMOCAP: a session); an item without is alone.
    """
    of: dict[str, str] = {}

    def root(name: str) -> str:
        while of.setdefault(name, name) != name:
            name = of[name]
        return name

    for item in items:
        if item.speaker_group and item.dialogue_group:
            of[root(item.dialogue_group)] = root(item.speaker_group)
    return [root(group_of(item)) for item in items]


def _deal(
    items: Sequence[Item], options: MultimodalOptions, seed: int
) -> tuple[list[Item], list[Item], list[Item]]:
    """Groups dealt into folds of about the same size and classes."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = connected_groups(items)
    if len(set(groups)) < options.folds:
        raise MmerError(
            f"{options.corpus}: {len(set(groups))} speakers or sets of them are too few for "
            f"{options.folds} folds"
        )
    if max(Counter(item.label for item in items).values()) < options.folds:
        raise MmerError(
            f"{options.corpus}: {len(items)} items are too few for {options.folds} folds: no "
            "emotion has one for each"
        )
    dealer = StratifiedGroupKFold(options.folds, shuffle=True, random_state=seed)
    labels = [item.label for item in items]
    fold_of = np.empty(len(items), int)
    for number, (_, rows) in enumerate(dealer.split(items, labels, groups)):
        fold_of[rows] = number
    evaluated, development = options.fold, (options.fold + 1) % options.folds
    sides: tuple[list[Item], list[Item], list[Item]] = ([], [], [])
    for item, fold in zip(items, fold_of, strict=True):
        sides[2 if fold == evaluated else 1 if fold == development else 0].append(item)
    return sides
