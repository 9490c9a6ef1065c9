"""Label names of the corpora: spellings of the seven emotions, and labels beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mmer.models.labels import EMOTIONS

_SPELLINGS: Final = {
    "anger": "angry ang",
    "disgust": "disgusted dis",
    "fear": "fearful fea afraid scared",
    "joy": "joyful happy happiness hap",
    "neutral": "neu normal",
    "sadness": "sad",
    "surprise": "surprised sur ps pleasant_surprise pleasant_surprised",
}
_OTHERS: Final = (
    "calm contempt boredom bored sleepy wink frustration shame guilt no_agreement other unknown"
)

LABELS: Final[Mapping[str, int | None]] = {
    **{name: EMOTIONS.index(name) for name in EMOTIONS},
    **{s: EMOTIONS.index(name) for name, all_ in _SPELLINGS.items() for s in all_.split()},
    **dict.fromkeys(_OTHERS.split()),
}
"""A name as ``folded``: index into EMOTIONS, or None where it maps to none of the seven."""


def folded(name: str) -> str:
    """A label name in lower case, its words joined by underscores."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def maps_to_none(name: str) -> str:
    """The reason for leaving an item out, for the counts."""
    return f"{folded(name).replace('_', ' ')} maps to none"
