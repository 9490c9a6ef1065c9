"""PNG files from outside: what OpenCV must not be given."""

from __future__ import annotations

import struct
from typing import Final

PNG: Final = b"\x89PNG\r\n\x1a\n"


def is_cut(data: bytes | memoryview) -> bool:
    """Whether a PNG file has a chunk that declares more bytes than there are; False of others.

    OpenCV makes room for what a chunk declares, up to 4 GB, before it reads any of it.
    """
    if bytes(data[:8]) != PNG:
        return False
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        at += 12 + length  # length, name, content, checksum
    return at > len(data)
