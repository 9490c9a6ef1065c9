"""Reader of a user's own data: a CSV file with a header line, or a folder's ``manifest.csv``.

Columns: ``label``, one of the seven names exactly; ``path``, relative to the table's folder;
``text``; and where wanted ``speaker``, ``start`` and ``end`` (seconds), ``split``, ``dialogue``
(the texts of its earlier rows are then the past). ``path`` may be missing for text, ``text`` for
the others. Rows with an empty label are left out and counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError, brief
from mmer.models.labels import EMOTIONS
from mmer.realtime.sources.address import resolved
from mmer.training.datasets.files import read_table
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.texts import pasts

FILE: Final = "manifest.csv"
"""File name where the root is a folder."""


def read_manifest(root: Path, modality: str, split: str) -> Reading:
    """The rows of the table ``root``, in its order.

    Raises:
        MmerError: no such table, a missing column or file, a label or a time that is none, or a
            split that no row is of.
    """
    if root.is_dir() and (root / FILE).is_file():
        root /= FILE
    if not root.is_file():
        kind = f"is a folder without {FILE}" if root.is_dir() else "does not exist"
        raise MmerError(f"{root} {kind}: the root of a manifest is its CSV file")
    needed = "text" if modality == "text" else "path"
    rows = list(read_table(root, ("label", needed)))
    splits = {row.get("split", "") for _, row in rows}
    if split != "all" and split not in splits:
        known = ", ".join(sorted(splits - {""})) or "none: there is no column split"
        raise MmerError(f"{root} has no split {split}; it has {known}")
    texts = [(_dialogue(row), row.get("text", "")) for _, row in rows]
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for (line, row), past in zip(rows, pasts(texts), strict=True):
        if split not in ("all", row.get("split", "")):
            continue
        where = f"{root}, line {line}"
        label = row["label"]
        if label and label not in EMOTIONS:
            raise MmerError(f"{where}: label {label!r} is none of {', '.join(EMOTIONS)}")
        if not label:
            dropped["no label"] += 1
        elif modality == "text" and not row["text"]:
            dropped["no words"] += 1
        else:
            items.append(_item(root, row, past, where, line, modality != "text"))
    return Reading(items, dropped)


def _dialogue(row: Mapping[str, str]) -> str:
    dialogue = row.get("dialogue", "")
    return f"{row.get('split', '')}/{dialogue}" if dialogue else ""


def _item(
    root: Path, row: Mapping[str, str], past: tuple[str, ...], where: str, line: int, media: bool
) -> Item:
    start_s, end_s = _seconds(row, "start", where), _seconds(row, "end", where)
    if end_s is not None and end_s <= (start_s or 0.0):
        raise MmerError(f"{where}: end {end_s:g} is not after start {start_s or 0:g}")
    return Item(
        "manifest",
        f"line {line}",
        EMOTIONS.index(row["label"]),
        row.get("split", ""),
        speaker=row.get("speaker", ""),
        dialogue=row.get("dialogue", ""),
        path=_file(root, row["path"], where) if media else None,
        start_s=start_s,
        end_s=end_s,
        text=row.get("text") or None,
        past=past,
    )


def _seconds(row: Mapping[str, str], name: str, where: str) -> float | None:
    value = row.get(name, "")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise MmerError(f"{where}: {name} {value!r} is not a number of seconds from 0")
    return seconds


def _file(root: Path, name: str, where: str) -> Path:
    if not name:
        raise MmerError(f"{where}: no path")
    for path in (root.parent / name, root.parent / name.replace("\\", "/")):
        found = Path(resolved(str(path)))
        if os.path.isfile(found):  # False for what can be no name, too
            return found
    raise MmerError(f"{where}: there is no file {brief(str(root.parent / name), 1000)}")
