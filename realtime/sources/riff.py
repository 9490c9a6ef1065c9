"""RIFF headers (WAV, AVI): the length that they declare, against the file's own."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

_STALE_S: Final = 0.1
"""Less than this after the declared end of a WAV file's sound is a tag, not sound."""


def cut_short(path: str) -> bool:
    """Whether a .wav or .avi has fewer bytes than it declares (FFmpeg corrects that silently)."""
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(8)
    declared = int.from_bytes(head[4:8], "little")
    known = head[:4] == b"RIFF" and _is_length(declared)
    return known and declared + 8 > Path(path).stat().st_size


def outgrown(path: str) -> bool:
    """Whether a .wav has more sound than it declares: a recorder died before it said so.

    Chunks that follow the sound (tags) are told from more sound by their names and lengths.
    """
    if not Path(path).is_file():
        return False
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        position, bytes_a_second = 12, 0
        while chunk := _chunk(file, position):
            name, length = chunk
            if name == b"fmt ":
                bytes_a_second = int.from_bytes(file.read(12)[8:12], "little")
            position += 8 + length + length % 2
            if name == b"data":
                if not _is_length(length) or position + _STALE_S * bytes_a_second >= size:
                    return False
                after = _chunk(file, position)
                return after is None or position + 8 + after[1] > size
    return False


def _is_length(declared: int) -> bool:
    """Whether a length is one: a writer to a pipe cannot know it.

    Such a writer leaves 0, all ones (FFmpeg), 0x7FFFF000 (SoX) or 0x80000000 (arecord), each with
    some bytes of headers added.
    """
    placeholders = (0x7FFFF000, 0x80000000)
    near = any(0 <= declared - placeholder < 256 for placeholder in placeholders)
    return 0 < declared < 0xFFFFFF00 and not near


def _chunk(file: BinaryIO, position: int) -> tuple[bytes, int] | None:
    """Name and length of the chunk at ``position``; None where none begins there."""
    file.seek(position)
    head = file.read(8)
    if len(head) < 8 or not all(32 <= byte < 127 for byte in head[:4]):
        return None
    return struct.unpack("<4sI", head)
