"""Width and height of an image file by its header, before anything is decoded.

A few bytes can declare an image that fills the memory (a "decompression bomb"), and OpenCV decodes
up to a thousand million pixels.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

Size = tuple[int, int]

LARGEST_PX: Final = 200_000_000
"""Pixels of the largest image that is decoded: those of the largest cameras."""
_WITHOUT_SIZE: Final = frozenset({0xC4, 0xC8, 0xCC})  # JPEG: SOF numbers that are other markers


def image_size(content: bytes) -> Size | None:
    """Width and height in pixels; None of a format, or of damage, that this does not know."""
    for magic, sizes in _FORMATS.items():
        if re.match(magic, content, re.DOTALL):
            try:
                return max(sizes(content), default=None, key=lambda size: size[0] * size[1])
            except (struct.error, IndexError, ValueError):
                return None
    return None


def _at(form: str, offset: int) -> Callable[[bytes], Iterator[Size]]:
    """Reader of width and height at a fixed place."""

    def sizes(content: bytes) -> Iterator[Size]:
        width, height = struct.unpack_from(form, content, offset)
        yield abs(width), abs(height)

    return sizes


def _jpeg(content: bytes) -> Iterator[Size]:
    position = 2
    while position < len(content):
        marker = content[position + 1]
        if content[position] != 0xFF or marker == 0xFF:  # fill bytes
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            position += 2
        elif marker in (0xD9, 0xDA):  # the pixels begin
            return
        else:
            if 0xC0 <= marker <= 0xCF and marker not in _WITHOUT_SIZE:
                height, width = struct.unpack_from(">HH", content, position + 5)
                yield width, height
                return
            position += 2 + max(struct.unpack_from(">H", content, position + 2)[0], 2)


def _webp(content: bytes) -> Iterator[Size]:
    kind = content[12:16]
    if kind == b"VP8X":
        read = [int.from_bytes(content[i : i + 3], "little") + 1 for i in (24, 27)]
        yield read[0], read[1]
    elif kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        yield (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        yield width & 0x3FFF, height & 0x3FFF


def _tiff(content: bytes) -> Iterator[Size]:
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    (directory,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", content, 8 if big else 4)
    (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, directory)
    entry, value, first = (20, 12, directory + 8) if big else (12, 8, directory + 2)
    found = {}
    for i in range(min(count, 1000)):
        at = first + i * entry
        tag, kind = struct.unpack_from(f"{order}HH", content, at)
        if tag in (256, 257):  # ImageWidth, ImageLength: SHORT, LONG or LONG8
            form = {3: "H", 16: "Q"}.get(kind, "I")
            (found[tag],) = struct.unpack_from(f"{order}{form}", content, at + value)
    if len(found) == 2:
        yield found[256], found[257]


def _netpbm(content: bytes) -> Iterator[Size]:
    words = re.sub(rb"#[^\n]*", b"", content[:4096]).split()
    yield int(words[1]), int(words[2])


def _pam(content: bytes) -> Iterator[Size]:
    facts = dict(re.findall(rb"^(WIDTH|HEIGHT)\s+(\d+)", content[:4096], re.MULTILINE))
    if len(facts) == 2:
        yield int(facts[b"WIDTH"]), int(facts[b"HEIGHT"])


def _boxes(name: bytes, form: str, skip: int, swapped: bool) -> Callable[[bytes], Iterator[Size]]:
    """Reader of every box ``name`` of JPEG 2000 (ihdr) or AVIF (ispe: one an item)."""

    def sizes(content: bytes) -> Iterator[Size]:
        for box in re.finditer(re.escape(name), content[: 1 << 16]):
            a, b = struct.unpack_from(form, content, box.end() + skip)
            yield (b, a) if swapped else (a, b)

    return sizes


_FORMATS: Final[dict[bytes, Callable[[bytes], Iterator[Size]]]] = {
    rb"\x89PNG\r\n\x1a\n": _at(">II", 16),
    rb"\xff\xd8": _jpeg,
    rb"GIF8": _at("<HH", 6),
    rb"BM.{12}\x0c\0\0\0": _at("<HH", 18),
    rb"BM": _at("<ii", 18),
    rb"RIFF.{4}WEBP": _webp,
    rb"II[*+]\0|MM\0[*+]": _tiff,
    rb"P[1-6]\s": _netpbm,
    rb"P7\s": _pam,
    rb"\x59\xa6\x6a\x95": _at(">II", 4),
    rb"\0\0\0\x0cjP  ": _boxes(b"ihdr", ">II", 0, swapped=True),
    rb".{4}ftyp": _boxes(b"ispe", ">II", 4, swapped=False),
}
"""Beginning of a file (a pattern): PNG, JPEG, GIF, BMP (two headers), WebP, TIFF, PNM, PAM, Sun
raster, JPEG 2000, AVIF."""
