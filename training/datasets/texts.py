"""Texts of corpora: normalisation, styles, and the past of each utterance in a dialogue."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mmer.models.preparation.text_style import TextStyle


def bare(text: str) -> str:
    """Lower-case words, straight apostrophes, no other punctuation, as by plain recognizers."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    return " ".join(re.sub(r"[^\w\s']|_|(?<!\w)'|'(?!\w)", " ", text).split())


def as_recognized(text: str) -> str:
    """The text as written by a recognizer with punctuation: case and commas stay, "!" does not.

    A run of "!", "?", "." and "…" becomes "?" where it holds one, else ".".
    """
    return re.sub(r"[!?.…]+", lambda run: "?" if "?" in run[0] else ".", text)


def tidy(text: str) -> str:
    """Undo tokenised punctuation (DailyDialog) and masks (GoEmotions)."""
    text = text.replace("’", "'").replace("‘", "'")
    text = re.sub(r"\[(NAME|RELIGION)\]", " ", text)
    text = re.sub(r"(?<=\w) ?' ?(?=(?:s|m|t|d|re|ve|ll)\b)", "'", text)
    text = re.sub(r"\s+([.,!?;:])", r"\1", text)
    return " ".join(re.sub(r"(?<=[a-z][.,!?;:])(?=[A-Z])", " ", text).split())


def pasts(texts: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """For each (dialogue, text), in order of time: the texts before it, oldest first.

    A text without a dialogue has no past; empty texts are left out of it.
    """
    before: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    out = []
    for dialogue, text in texts:
        out.append(before[dialogue] if dialogue else ())
        if dialogue and text:
            before[dialogue] += (text,)
    return out


RESTYLE: Final[Mapping[TextStyle, Callable[[str], str]]] = {
    "written": str,
    "asr": as_recognized,
    "bare": bare,
}
"""Conversions of a written text to each style."""
