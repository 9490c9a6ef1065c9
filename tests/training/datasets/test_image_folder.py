import contextlib
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.image_size import image_size
from mmer.training.datasets.images import read_image
from mmer.training.datasets.item import Item
from mmer.training.datasets.registry import read

Write = Callable[..., Path]
SPELLINGS = {
    "anger": ["anger", "Angry", "ANG"],
    "disgust": ["disgust", "Disgusted"],
    "fear": ["fear", "fearful", "Afraid"],
    "joy": ["joy", "happy", "Happiness", "HAP"],
    "neutral": ["neutral", "Neutral", "normal"],
    "sadness": ["sad", "Sadness"],
    "surprise": ["surprise", "surprised", "Pleasant-Surprise", "pleasant surprise"],
}


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_labels_are_known_in_many_spellings(emotion: str, write: Write, tmp_path: Path) -> None:
    for name in SPELLINGS[emotion]:
        write(f"faces/{name}/1.png")
    items = read("images", tmp_path, "face").items
    assert {EMOTIONS[i.label] for i in items} == {emotion}
    assert len(items) == len(SPELLINGS[emotion])


def test_splits_are_folders_above_and_need_not_all_be_there(write: Write, tmp_path: Path) -> None:
    write("train/happy/a.png")
    write("train/happy/deeper still/B.JPG")
    write("validation/sad/a.png")
    write("validation/contempt/b.png")
    write("validation/sad/.hidden.png")
    write("validation/sad/note.txt", "x")
    assert [i.key for i in read("images", tmp_path, "face", "train").items] == [
        "train/happy/a.png",
        "train/happy/deeper still/B.JPG",
    ]
    dev = read("images", tmp_path, "face", "dev")
    assert [(i.key, i.split) for i in dev.items] == [("validation/sad/a.png", "dev")]
    assert dev.dropped == {"contempt maps to none": 1}
    assert len(read("images", tmp_path, "face").items) == 3
    with pytest.raises(MmerError, match=r"no images: expected folders such as .*/test/happy"):
        read("images", tmp_path, "face", "test")


IMAGES = (
    *("png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "tif", "tiff", "webp", "avif", "jp2"),
    *("gif", "pgm", "ppm", "pbm", "pnm", "pam", "sr", "ras"),
)


def encoded(suffix: str, image: np.ndarray) -> bytes:
    if suffix in ("pgm", "pbm"):
        image = image[..., 0]
    name = f".{'jpg' if suffix == 'jfif' else suffix}"
    if not cv2.haveImageWriter(name):
        pytest.skip(f"this OpenCV writes no {suffix}")
    done, content = cv2.imencode(name, image)
    assert done
    return content.tobytes()


@pytest.mark.parametrize("suffix", IMAGES)
def test_images_that_opencv_reads_are_taken(write: Write, tmp_path: Path, suffix: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (41, 67, 3)).astype(np.uint8)
    content = encoded(suffix, image)
    write(f"happy/a.{suffix.upper()}", content)
    (item,) = read("images", tmp_path, "face").items
    assert read_image(item).shape == (41, 67, 3)
    assert image_size(content) == (67, 41)


def test_what_is_passed_over_is_counted(write: Write, tmp_path: Path) -> None:
    for name in ("happy/a.png", "happy/b.heic", "sad/c.HEIC", "sad/d", "sad/e.exr", "README.md"):
        write(name, None if name.endswith("png") else "x")
    write("happy/labels.csv", "a.png,joy")
    reading = read("images", tmp_path, "face")
    assert len(reading.items) == 1
    assert reading.dropped == {
        ".heic is not a supported image": 2,
        "a file without a suffix is not a supported image": 1,
        ".exr is not a supported image": 1,
    }


def png(width: int, height: int) -> bytes:
    """A bomb: a small file that declares many black pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


BOMBS = {
    "png": png(30_000, 30_000),
    "gif": b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(20),
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 30_000, -30_000) + bytes(40),
    "ppm": b"P6\n# a comment 1 1\n30000 30000\n255\n",
    "pam": b"P7\nWIDTH 30000\nHEIGHT 30000\nDEPTH 3\nMAXVAL 255\nENDHDR\n",
    "tif": b"MM\0*" + struct.pack(">IHHHIIHHII", 8, 2, 256, 4, 1, 30_000, 257, 4, 1, 30_000),
    "ras": b"\x59\xa6\x6a\x95" + struct.pack(">II", 30_000, 30_000) + bytes(24),
    "jpg": b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x0b\x08" + b"\xea\x60" * 2 + bytes(9),
    "webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\0" * 2,
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x16ihdr" + b"\0\0\x75\x30" * 2 + bytes(8),
    "avif": b"\0\0\0\x18ftypavif" + bytes(12) + b"ispe" + struct.pack(">III", 0, 30_000, 30_000),
}  # fmt: skip


@pytest.mark.parametrize("suffix", BOMBS)
def test_an_image_that_declares_too_many_pixels_is_not_decoded(
    write: Write, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(f"happy/bomb.{suffix}", BOMBS[suffix])
    monkeypatch.setattr(cv2, "imdecode", lambda *given: pytest.fail("it was decoded"))
    with pytest.raises(MmerError, match=r"declares \d+x\d+ pixels, and 200 million are the most"):
        read_image(Item("images", "a", 0, path=path))


@pytest.mark.parametrize("suffix", IMAGES)
def test_a_damaged_image_is_one_line_or_an_image(write: Write, suffix: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (41, 67, 3)).astype(np.uint8)
    content = encoded(suffix, image)
    rng = np.random.default_rng(1)
    for _ in range(30):
        damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
        for place in rng.integers(0, min(len(damaged), 100), 3):
            damaged[place] = rng.integers(256)
        path = write(f"happy/damaged.{suffix}", bytes(damaged))
        with contextlib.suppress(MmerError):  # and nothing else
            assert read_image(Item("images", "a", 0, path=path)).ndim == 3


@pytest.mark.skipif(os.name == "nt", reason="needs a named pipe")
def test_a_pipe_or_a_device_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone")
    for path in tmp_path.iterdir():
        with pytest.raises(MmerError, match="cannot read"):
            read_image(Item("images", "a", 0, path=path))


def test_what_is_no_label_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="no images: expected folders such as"):
        read("images", tmp_path, "face")
    write("people/a.png")
    with pytest.raises(MmerError, match=r"people/a\.png is in no folder named after a label"):
        read("images", tmp_path, "face")
    with pytest.raises(MmerError, match="images is not read for speech"):
        read("images", tmp_path, "speech")


def test_muxspace_has_a_table(write: Write, tmp_path: Path) -> None:
    write("images/a.jpg")
    write("images/b.jpg")
    write("labels.csv", "image,label\na.jpg,happiness\nb.jpg,contempt\n")
    reading = read("muxspace", tmp_path, "face")
    assert [EMOTIONS[i.label] for i in reading.items] == ["joy"]
    assert reading.dropped == {"contempt maps to none": 1}
    for line, message in (("c.jpg,anger", "line 2: there is no"), ("a.jpg,glee", "unknown label")):
        write("labels.csv", f"image,label\n{line}\n")
        with pytest.raises(MmerError, match=message):
            read("muxspace", tmp_path, "face")
