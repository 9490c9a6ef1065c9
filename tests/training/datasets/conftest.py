"""Files of corpora, written where a test wants them."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write("a/b.wav")`` makes a file below ``tmp_path``: 10 ms of sound, 8x8 pixels, or content.

    Recordings of other kinds are empty: readers never open them.
    """

    def write(name: str, content: str | bytes | None = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_bytes(content.encode())
        elif content is not None:
            path.write_bytes(content)
        elif path.suffix.lower() == ".wav":
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes(bytes(320))
        elif path.suffix.lower() in (".png", ".jpg"):
            assert cv2.imwrite(str(path), np.zeros((8, 8), np.uint8))
        else:
            path.touch()
        return path

    return write
