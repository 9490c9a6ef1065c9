"""Reader of text corpora: dialogue, comments and reports of feelings in tab-separated tables.

One file a split, ``train.tsv`` or ``train.tsv.gz`` and so on, in the corpus' own folder or one
below it: columns ``text``, ``label7`` (one of the seven emotions, or empty) and where there are
such ``dialogue`` and ``label`` (the corpus' own). GoEmotions has ``labels7`` and ``labels``, with
commas between several.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.files import decode_text, need_folder, read_table
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.label_names import maps_to_none
from mmer.training.datasets.texts import pasts, tidy

_SUFFIXES: Final = (".tsv.gz", ".tsv")


@dataclass(frozen=True)
class TextTables:
    """The reader of one such corpus; ``several``: a text can have more than one label."""

    corpus: str
    folder: str = ""
    """Below the root; the corpus' name by default."""
    splits: tuple[str, ...] = ("train", "dev", "test")
    several: bool = False

    def __call__(self, root: Path, modality: str, split: str) -> Reading:
        """The texts with exactly one of the seven emotions, in the order of their files.

        Raises:
            MmerError: the split's file is missing or not understood.
        """
        need_folder(root, self.corpus)
        folder = root / (self.folder or self.corpus)
        wanted = (self.splits or ("all",)) if split == "all" else (split,)
        files = {s: path for s in wanted if (path := _file((root, folder), s))}
        if not files:
            names = " or ".join(f"{s}.tsv.gz" for s in wanted)
            raise MmerError(f"no {names} in {root} or {folder}")
        items: list[Item] = []
        dropped: Counter[str] = Counter()
        for name, path in files.items():
            items += _read(self, path, name if self.splits else "", dropped)
        return Reading(items, dropped)


EMORYNLP: Final = TextTables("emorynlp")
DAILYDIALOG: Final = TextTables("dailydialog")
GOEMOTIONS: Final = TextTables("goemotions", several=True)
CARER: Final = TextTables("carer")
TWEETEVAL: Final = TextTables("tweeteval", "tweeteval_emotion")
ISEAR: Final = TextTables("isear", splits=())  # one table, all.tsv


def _file(folders: tuple[Path, ...], split: str) -> Path | None:
    places = [folder / f"{split}{suffix}" for folder in folders for suffix in _SUFFIXES]
    return next((path for path in places if path.is_file()), None)


def _read(tables: TextTables, path: Path, split: str, dropped: Counter[str]) -> list[Item]:
    column = "labels7" if tables.several else "label7"
    rows = list(read_table(path, ("text", column), "\t", _unpacked(path)))
    texts = [(row.get("dialogue", ""), tidy(row["text"])) for _, row in rows]
    items = []
    for (line, row), (dialogue, text), past in zip(rows, texts, pasts(texts), strict=True):
        names = [name for name in row[column].split(",") if name]
        if unknown := [n for n in names if n not in EMOTIONS]:
            raise MmerError(f"{path}, line {line}: {unknown[0]!r} is none of {', '.join(EMOTIONS)}")
        if not names:
            own = row.get("label", "")
            dropped[maps_to_none(own) if own else "no label"] += 1
        elif len(names) > 1:
            dropped["more than one of the seven"] += 1
        elif not text:
            dropped["no words"] += 1
        else:
            label = EMOTIONS.index(names[0])
            key = f"line {line}"
            items.append(
                Item(tables.corpus, key, label, split, dialogue=dialogue, text=text, past=past)
            )
    return items


def _unpacked(path: Path) -> str | None:
    if path.suffix != ".gz":
        return None
    try:
        return decode_text(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error) as error:
        raise MmerError(f"cannot unpack {path}: {error}") from error
