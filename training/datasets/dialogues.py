"""What people say: utterances with an emotion, from the four text corpora that train the words.

The folder ``text`` holds one folder a corpus: MELD's own CSV files, the others as gzipped TSV.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.corpora import need

# corpus: file of the training split, and its columns of dialogue, text and emotion
_FILES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "meld": ("meld/train_sent_emo.csv", "Dialogue_ID", "Utterance", "Emotion"),
    "emorynlp": ("emorynlp/train.tsv.gz", "dialogue", "text", "label7"),
    "goemotions": ("goemotions/train.tsv.gz", "", "text", "labels7"),
    "dailydialog": ("dailydialog/train.tsv.gz", "dialogue", "text", "label7"),
}
_DEVELOPMENT: Final = ("meld/dev_sent_emo.csv", "Dialogue_ID", "Utterance", "Emotion")
TELLING_WORDS: Final = 5
"""A text of so many words in two conversations means that they are one scene."""


@dataclass(frozen=True)
class Utterance:
    """Something said or written; ``label`` is an index into EMOTIONS.

    ``dialogue`` is unique within a corpus' split; empty where the corpus has no dialogues.
    """

    corpus: str
    dialogue: str
    text: str
    label: int


def bare(text: str) -> str:
    """Lower-case words, straight apostrophes, no other punctuation: as recognizers write."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    return " ".join(re.sub(r"[^\w\s']|_|(?<!\w)'|'(?!\w)", " ", text).split())


def tidy(text: str) -> str:
    """Undo what corpora do to texts: tokenised punctuation (DailyDialog), masks (GoEmotions)."""
    text = text.replace("’", "'").replace("‘", "'")
    text = re.sub(r"\[(NAME|RELIGION)\]", " ", text)
    text = re.sub(r"(?<=\w) ?' ?(?=(?:s|m|t|d|re|ve|ll)\b)", "'", text)
    text = re.sub(r"\s+([.,!?;:])", r"\1", text)
    return " ".join(re.sub(r"(?<=[a-z][.,!?;:])(?=[A-Z])", " ", text).split())


def _read(root: Path, corpus: str, file: str, columns: Sequence[str]) -> list[Utterance]:
    """The rows with exactly one of the seven emotions and at least one word."""
    path = need(root / "text" / file)
    dialogue, text, emotion = columns
    out = []
    compressed = path.suffix == ".gz"
    read = gzip.open if compressed else open
    with read(path, "rt", encoding="utf-8", newline="") as lines:
        try:
            for row in csv.DictReader(lines, delimiter="\t" if compressed else ","):
                if row[emotion] in EMOTIONS and bare(words := tidy(row[text])):
                    scene = row[dialogue] if dialogue else ""
                    out.append(Utterance(corpus, scene, words, EMOTIONS.index(row[emotion])))
        except (
            KeyError,
            TypeError,
            AttributeError,
            UnicodeDecodeError,
            OSError,
            EOFError,
        ) as error:
            raise MmerError(f"{path} is not understood: {error!r}") from error
    if not out:
        raise MmerError(f"{path} has no utterance with an emotion")
    return out


def read_development(root: Path) -> list[Utterance]:
    """MELD's development split.

    Raises:
        MmerError: the file is missing or not understood.
    """
    return _read(root, "meld", _DEVELOPMENT[0], _DEVELOPMENT[1:])


def read_training(
    root: Path, corpora: Sequence[str], development: Iterable[Utterance]
) -> list[Utterance]:
    """The training splits of the named corpora, without what ``development`` holds.

    Left out are all texts that occur there (``bare``), and whole dialogues that share one of
    ``TELLING_WORDS`` words or more with it: EmoryNLP and MELD are cut from the same series.

    Raises:
        MmerError: an unknown corpus; a file is missing or not understood.
    """
    if unknown := sorted(set(corpora) - set(_FILES)):
        raise MmerError(f"no text corpus {', '.join(unknown)}; known are {', '.join(_FILES)}")
    barred = {bare(u.text) for u in development}
    telling = {text for text in barred if len(text.split()) >= TELLING_WORDS}
    out = []
    for corpus in corpora:
        utterances = _read(root, corpus, _FILES[corpus][0], _FILES[corpus][1:])
        scenes = {u.dialogue for u in utterances if u.dialogue and bare(u.text) in telling}
        out += [u for u in utterances if u.dialogue not in scenes and bare(u.text) not in barred]
    return out
