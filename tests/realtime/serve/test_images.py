"""Pictures from outside: measured before they are decoded, and refused when too large."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import cv2
import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.realtime.serve.images import decode, size

IMAGE = np.random.default_rng(1).integers(0, 255, (30, 50, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_a_picture_is_measured_and_decoded(kind: str) -> None:
    data = memoryview(cv2.imencode(kind, IMAGE)[1].tobytes())
    assert size(data) == (50, 30)
    found = decode(data)
    assert found.shape == (30, 50, 3)
    if kind == ".png":
        assert np.array_equal(found, IMAGE)


def test_a_progressive_jpeg_too() -> None:
    made = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]
    assert size(memoryview(made.tobytes())) == (50, 30)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    png = bytearray(cv2.imencode(".png", IMAGE)[1].tobytes())
    jpeg = bytearray(cv2.imencode(".jpg", IMAGE)[1].tobytes())
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_535, 65_535)
    monkeypatch.setattr(cv2, "imdecode", never)
    for bomb in (png, jpeg):
        with pytest.raises(MmerError, match="too large"):
            decode(memoryview(bytes(bomb)))


def test_a_chunk_larger_than_its_file_gets_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV takes 4 GB for a PNG file of 7 kB whose first chunk of pixels declares so much."""

    def never(*_: object) -> None:
        raise AssertionError("decoded")

    png = bytearray(cv2.imencode(".png", IMAGE)[1].tobytes())
    at = png.index(b"IDAT") - 4
    monkeypatch.setattr(cv2, "imdecode", never)
    for declared in (0xFFFFFF53, len(png) - at - 12 + 20):
        png[at : at + 4] = struct.pack(">I", declared)
        with pytest.raises(MmerError, match="damaged"):
            decode(memoryview(bytes(png)))


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(MmerError):
        decode(memoryview(data))


def test_damaged_pictures_are_decoded_or_refused() -> None:
    rng = random.Random(5)
    for _ in range(300):
        data = bytearray(cv2.imencode(rng.choice([".jpg", ".png"]), IMAGE)[1].tobytes())
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with suppress(MmerError):
            assert decode(memoryview(bytes(data[: rng.randrange(1, len(data) + 1)]))).ndim == 3
