"""Texts of corpora: undoing what corpora did to them, and what was said before in a dialogue."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mmer.models.preparation.text_style import TextStyle


def bare(text: str) -> str:
    """Lower-case words, straight apostrophes, no other punctuation: as plain recognizers write."""
    text = text.lower().replace("’", "'").replace("‘", "'")
    return " ".join(re.sub(r"[^\w\s']|_|(?<!\w)'|'(?!\w)", " ", text).split())


def as_recognized(text: str) -> str:
    """The text as a recognizer that punctuates writes it: case and commas stay, "!" does not.

    Of a run of "!", "?", "." and "…" a "?" is left where it holds one, else a ".".
    """
    return re.sub(r"[!?.…]+", lambda run: "?" if "?" in run[0] else ".", text)


def tidy(text: str) -> str:
    """Undo what corpora do to texts: tokenised punctuation (DailyDialog), masks (GoEmotions)."""
    text = text.replace("’", "'").replace("‘", "'")
    text = re.sub(r"\[(NAME|RELIGION)\]", " ", text)
    text = re.sub(r"(?<=\w) ?' ?(?=(?:s|m|t|d|re|ve|ll)\b)", "'", text)
    text = re.sub(r"\s+([.,!?;:])", r"\1", text)
    return " ".join(re.sub(r"(?<=[a-z][.,!?;:])(?=[A-Z])", " ", text).split())


def pasts(said: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """For each (dialogue, text), in the order of saying: the texts before it, oldest first.

    A text without a dialogue has no past, and an empty text is in nobody's.
    """
    heard: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    out = []
    for dialogue, text in said:
        out.append(heard[dialogue] if dialogue else ())
        if dialogue and text:
            heard[dialogue] += (text,)
    return out


RESTYLE: Final[Mapping[TextStyle, Callable[[str], str]]] = {
    "written": str,
    "asr": as_recognized,
    "bare": bare,
}
"""From a written text to the same text in each style."""
