"""Reader of corpora that name their files after speaker and emotion (``named_corpora``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.sources.suffixes import SOUNDS, VIDEOS
from mmer.training.datasets.files import IMAGE_SUFFIXES, need_folder, walk
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.label_names import LABELS, maps_to_none

_UNDERSTOOD_NOT: Final = "file name not understood"
_LACKS: Final = {"speech": "no sound", "face": "no picture", "clip": "no picture with sound"}


@dataclass(frozen=True)
class NamedFiles:
    """The reader of one such corpus: how it names its files.

    ``pattern`` matches folder/name without suffix, from whatever point to the end. Its groups:
    ``code`` (a key of ``codes``; none means the only one), ``speaker``, ``take`` (what is the same
    for every file of one performance; the whole match where there is no such group), ``words`` (a
    key of ``texts``), ``frame`` (a picture of the take), and ``silent`` and ``song``, which are
    there when the file is so. ``codes`` lead to names that ``LABELS`` knows. ``folds``: split to
    speakers. ``slips``: speakers as misspelt in published names.
    """

    corpus: str
    layout: str
    pattern: re.Pattern[str]
    codes: Mapping[str, str]
    modalities: tuple[str, ...] = ("speech",)
    texts: Mapping[str, str] = field(default_factory=dict)
    folds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    slips: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, root: Path, modality: str, split: str) -> Reading:
        """The recordings or images below ``root``, one file a performance.

        Sound files go before videos for speech, and the least compressed before the others.

        Raises:
            MmerError: no such folder, or no file in it is named as in this corpus.
        """
        takes, dropped = _find_takes(self, need_folder(root, self.corpus), modality, split)
        items = []
        for _, path, match in sorted(takes.values(), key=lambda c: c[0][1]):
            item = _item(self, root, path, match.groupdict())
            if isinstance(item, str):
                dropped[item] += 1
            else:
                items.append(item)
        return Reading(items, dropped)


_Take = tuple[tuple[int, int], Path, re.Match[str]]
"""Rank and place of a file, its path, and its name as matched."""


def _find_takes(
    names: NamedFiles, root: Path, modality: str, split: str
) -> tuple[dict[str, _Take], Counter[str]]:
    """The best file of each performance, and how many files were left out, by reason."""
    takes: dict[str, _Take] = {}
    dropped: Counter[str] = Counter()
    understood = 0
    for place, path in enumerate(walk(root)):
        suffix = path.suffix.lower()
        if suffix not in SOUNDS | VIDEOS | IMAGE_SUFFIXES:
            continue
        folder = path.parent.name or path.parent.resolve().name
        match = re.search(rf"(?:^|/)(?:{names.pattern.pattern})$", f"{folder}/{path.stem}")
        if not match:
            dropped[_UNDERSTOOD_NOT] += 1
            continue
        understood += 1
        parts = match.groupdict()
        if split in names.folds and parts["speaker"] not in names.folds[split]:
            continue
        if parts.get("song"):
            dropped["song"] += 1
            continue
        rank = _rank(suffix, modality)
        if rank is None or (parts.get("silent") and modality != "face"):
            dropped[_LACKS[modality]] += 1
            continue
        take = (parts.get("take") or match[0].lstrip("/")) + (parts.get("frame") or "")
        candidate = ((rank, place), path, match)
        if take in takes:
            dropped["second file of the same performance"] += 1
            candidate = min(candidate, takes[take], key=lambda c: c[0])
        takes[take] = candidate
    if not understood:
        raise MmerError(
            f"nothing below {root} is named as in {names.corpus}: expected {names.layout}"
        )
    return takes, dropped


def _rank(suffix: str, modality: str) -> int | None:
    """How well a kind of file serves the modality, 0 best; None: not at all."""
    if modality == "speech":
        if suffix in SOUNDS:
            return 0 if suffix in (".wav", ".flac") else 1
        return 2 if suffix in VIDEOS else None
    if suffix in VIDEOS:
        return 0
    return 1 if modality == "face" and suffix in IMAGE_SUFFIXES else None


def _item(names: NamedFiles, root: Path, path: Path, parts: Mapping[str, str | None]) -> Item | str:
    """The item, or why there is none."""
    code = names.codes.get(parts.get("code") or "")
    if code is None:
        return _UNDERSTOOD_NOT
    label = LABELS[code]
    if label is None:
        return maps_to_none(code)
    speaker = parts.get("speaker") or ""
    return Item(
        names.corpus,
        path.relative_to(root).as_posix(),
        label,
        speaker=names.slips.get(speaker, speaker),
        # frames of one take are alike: who draws items at random draws takes
        dialogue=(parts.get("take") or "") if parts.get("frame") else "",
        path=path,
        text=names.texts.get(parts.get("words") or ""),
    )
