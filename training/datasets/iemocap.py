"""Reader of IEMOCAP (Busso et al. 2008) as released: dialogues of ten actors in five sessions.

    IEMOCAP_full_release/SessionN/dialog/EmoEvaluation/Ses01F_impro01.txt   labels
    IEMOCAP_full_release/SessionN/dialog/transcriptions/Ses01F_impro01.txt  texts
    IEMOCAP_full_release/SessionN/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

A split is a session. Excitement counts as joy, as is usual; frustration, other and utterances
without agreement map to none. The speaker is the one who speaks ("Ses01F"), not the one with the
markers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.sources.suffixes import SOUNDS
from mmer.training.datasets.files import need_folder, read_text, walk
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.label_names import LABELS, maps_to_none
from mmer.training.datasets.texts import pasts, tidy

SPLITS: Final = tuple(f"session{n}" for n in range(1, 6))
CODES: Final[Mapping[str, str]] = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "joy",
    "sad": "sadness",
    "neu": "neutral",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "fru": "frustration",
    "oth": "other",
    "xxx": "no_agreement",
}
_LAYOUT: Final = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
# [6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]
_EVALUATION: Final = re.compile(r"\[\s*([\d.]+)\s*-\s*[\d.]+\s*\]\s+(Ses\w+)\s+(\w{3})\b")
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
_UTTERANCE: Final = re.compile(r"(Ses\w+)\s+\[\s*([\d.]+)\s*-\s*[\d.]+\s*\]\s*:(.*)")


def read_iemocap(root: Path, modality: str, split: str) -> Reading:
    """Utterances, dialogue by dialogue, in the order of time.

    Raises:
        MmerError: a session, or what the modality needs of it, is missing or not understood.
    """
    sessions = _sessions(need_folder(root, "iemocap"))
    if split != "all":
        sessions = {name: folder for name, folder in sessions.items() if name == split}
    if not sessions:
        what = "session" if split == "all" else split
        raise MmerError(f"no {what} of iemocap in {root}: expected {_LAYOUT} there")
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for name, folder in sessions.items():
        sounds = _sounds(folder) if modality == "speech" else {}
        for evaluation in sorted((folder / "dialog/EmoEvaluation").glob("Ses*.txt")):
            for found in _dialogue(folder, name, evaluation, modality, sounds):
                if isinstance(found, str):
                    dropped[found] += 1
                else:
                    items.append(found)
    if not items and dropped["no clip"]:
        raise MmerError(
            f"no sound of iemocap below {root}: expected "
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav and so on"
        )
    return Reading(items, dropped)


def _dialogue(
    session: Path, split: str, evaluation: Path, modality: str, sounds: Mapping[str, Path]
) -> Iterator[Item | str]:
    """The items of a dialogue, or why one is left out, in the order of time."""
    labels, texts = _labels(evaluation), _texts(session, evaluation.name, modality)
    # an utterance without a label (laughter and such) belongs to the past all the same
    names = list(dict.fromkeys([*texts, *labels]))
    before = pasts(("dialogue", texts.get(name, "")) for name in names)
    for name, past in zip(names, before, strict=True):
        if name not in labels:
            continue
        label = LABELS[CODES[labels[name]]]
        if label is None:
            yield maps_to_none(CODES[labels[name]])
        elif modality == "text" and not texts.get(name):
            yield "no words"
        elif modality == "speech" and name not in sounds:
            yield "no clip"
        else:
            yield Item(
                "iemocap",
                name,
                label,
                split,
                speaker=name[:5] + name.rpartition("_")[2][0],
                dialogue=evaluation.stem,
                path=sounds.get(name),
                text=texts.get(name),
                past=past,
            )


def _sessions(root: Path) -> dict[str, Path]:
    """The folders of the sessions, root itself or up to two folders below it: by split's name."""
    below = (sorted(root.glob(f"{outer}Session?")) for outer in ("", "*/", "*/*/"))
    folders = [root.resolve(), *chain.from_iterable(below)]
    named = {folder.name.lower(): folder for folder in reversed(folders)}
    there = {s: named[s] for s in SPLITS if s in named}
    return {s: folder for s, folder in there.items() if (folder / "dialog/EmoEvaluation").is_dir()}


def _labels(evaluation: Path) -> dict[str, str]:
    """Codes of the utterances, in the order of time."""
    found = []
    for number, line in enumerate(read_text(evaluation).splitlines(), start=1):
        if match := _EVALUATION.match(line):
            start, utterance, code = match.groups()
            if code not in CODES:
                raise MmerError(
                    f"{evaluation}, line {number}: unknown emotion {code!r}; "
                    f"known are {', '.join(CODES)}"
                )
            found.append((float(start), utterance, code))
    return {utterance: code for _, utterance, code in sorted(found)}


def _texts(session: Path, name: str, modality: str) -> dict[str, str]:
    """Texts of the utterances of a dialogue, in the order of time."""
    transcript = session / "dialog/transcriptions" / name
    if not transcript.is_file():
        if modality == "text":
            raise MmerError(f"{transcript} is missing: it has the dialogue's texts")
        return {}
    matches = [
        m for line in read_text(transcript).splitlines() if (m := _UTTERANCE.match(line.strip()))
    ]
    matches.sort(key=lambda m: float(m[2]))
    return {m[1]: tidy(m[3]) for m in matches}


def _sounds(session: Path) -> dict[str, Path]:
    folder = session / "sentences"
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in walk(folder) if path.suffix.lower() in SOUNDS}
