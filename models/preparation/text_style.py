"""Text styles: written by a person, or by a recognizer with or without punctuation."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

TextStyle: TypeAlias = Literal["written", "asr", "bare"]
"""``written``: typed by a person. ``asr``: by a recognizer that punctuates: cased, with commas, "."
and "?", hardly ever "!". ``bare``: by one that does not: lower case, no punctuation."""

STYLES: Final[tuple[TextStyle, ...]] = get_args(TextStyle)
