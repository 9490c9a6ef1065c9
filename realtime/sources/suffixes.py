"""File name endings of media, by which recordings are told from what lies beside them."""

from __future__ import annotations

from typing import Final


def suffixes(names: str) -> frozenset[str]:
    """Endings in lower case with their dots, from names with spaces between."""
    return frozenset(f".{name}" for name in names.split())


SOUNDS: Final = suffixes(
    "wav flac aif aiff aifc au caf wv opus ogg oga mp3 mp2 m4a aac wma amr mka ac3 ape tta spx w64"
)
VIDEOS: Final = suffixes(
    "mp4 m4v mov avi flv f4v mkv webm mpg mpeg wmv asf ts mts m2ts 3gp ogv vob dv mjpeg"
)
