"""Reader of MELD (Poria et al. 2019): CSV files of utterances, and clips cut from the series.

``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv`` lie anywhere below the root
(``MELD.Raw/``, ``data/MELD/``), clips ``dia0_utt0.mp4`` or sound files of that name in folders
``train_splits``, ``dev_splits_complete`` and ``output_repeated_splits_test`` or others that begin
with the split's name. The splits share the cast, so items have dialogues and no speakers.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.training.datasets.files import media_files, need_folder, read_table, walk
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.label_names import LABELS, folded, maps_to_none
from mmer.training.datasets.texts import pasts, tidy

SPLITS: Final = ("train", "dev", "test")
_CLIPS: Final = {"train": ("train",), "dev": ("dev",), "test": ("test", "output_repeated")}
_COLUMNS: Final = ("Utterance", "Emotion", "Dialogue_ID", "Utterance_ID")


def read_meld(root: Path, modality: str, split: str) -> Reading:
    """Utterances in the order of the CSV; clips are looked for unless the modality is text.

    Raises:
        MmerError: the split's CSV is missing or not understood, or none of its clips is there.
    """
    files = walk(need_folder(root, "meld"))
    tables = {s: _table(files, s) for s in (SPLITS if split == "all" else (split,))}
    if not any(tables.values()):
        wanted = " or ".join(f"{s}_sent_emo.csv" for s in tables)
        raise MmerError(f"no {wanted} below {root}: expected MELD's CSV files there")
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for name, table in tables.items():
        if table is None:
            continue
        clips = None if modality == "text" else _clips(files, root, name, modality)
        for item in _read(table, name, dropped):
            if clips is None:
                items.append(item)
            elif path := clips.get(item.key):
                items.append(replace(item, path=path))
            else:
                dropped["no clip"] += 1
    if not items and dropped["no clip"]:
        raise MmerError(
            f"no clips of meld {split} below {root}: expected dia0_utt0.mp4 or .wav and so on in "
            "train_splits, dev_splits_complete or output_repeated_splits_test"
        )
    return Reading(items, dropped)


def _table(files: list[Path], split: str) -> Path | None:
    found = [f for f in files if f.name == f"{split}_sent_emo.csv"]
    return min(found, key=lambda f: len(f.parts), default=None)


def _clips(files: list[Path], root: Path, split: str, modality: str) -> dict[str, Path]:
    """Paths by "dia0_utt0"; sound files, the later, go before videos."""
    return {
        path.stem: path
        for path in media_files(files, modality)
        if re.fullmatch(r"dia\d+_utt\d+", path.stem)
        and any(p.startswith(_CLIPS[split]) for p in path.relative_to(root).parts[:-1])
    }


def _read(table: Path, split: str, dropped: Counter[str]) -> list[Item]:
    rows = list(read_table(table, _COLUMNS))
    texts = [(row["dialogue_id"], tidy(row["utterance"])) for _, row in rows]
    items = []
    for (line, row), (dialogue, text), past in zip(rows, texts, pasts(texts), strict=True):
        name = folded(row["emotion"])
        if name not in LABELS:
            raise MmerError(f"{table}, line {line}: unknown emotion {row['emotion']!r}")
        label = LABELS[name]
        if label is None:
            dropped[maps_to_none(name)] += 1
        elif not text:
            dropped["no words"] += 1
        else:
            key = f"dia{dialogue}_utt{row['utterance_id']}"
            items.append(Item("meld", key, label, split, dialogue=dialogue, text=text, past=past))
    return items
