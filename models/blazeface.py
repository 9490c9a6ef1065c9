"""BlazeFace short range: the network of a face detector (ONNX).

Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs". The file
is MediaPipe's own (Apache-2.0), which is the asset "face-detector" of the store, converted by
tf2onnx 1.17.0 with TensorFlow 2.21::

    python -m tf2onnx.convert --tflite face_detection_short_range.tflite \\
        --output blazeface.onnx --opset 17
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.checksum import sha256_of
from mmer.models.engine import Engine, open_engine
from mmer.models.errors import MmerError
from mmer.models.files import weights_dir

FILE: Final = "blazeface.onnx"
SHA256: Final = "b7ac3eb67e2e61b09a533238c39190739cc09a8da1428859e10f52f146e893e6"
SIDE: Final = 128
"""Of the square that it takes, pixels."""


def blazeface_file() -> Path:
    """The shipped file, whole.

    Raises:
        MmerError: it is missing, cannot be read or is damaged.
    """
    path = weights_dir() / FILE
    try:
        whole = sha256_of(path) == SHA256
    except OSError as error:
        raise MmerError(
            f"the face detector {path} cannot be read ({error.strerror}): install mmer-live again"
        ) from error
    if not whole:
        raise MmerError(f"the face detector {path} is damaged: install mmer-live again")
    return path


class BlazeFace:
    """The network, on one thread of the CPU; immutable, safe to call from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def load(cls) -> BlazeFace:
        """Open the shipped file; on the CPU whatever there is, for it takes about 1 ms.

        Raises:
            MmerError: the file is missing or damaged, or ONNX Runtime cannot run it.
        """
        return cls(open_engine(blazeface_file(), "cpu"))

    def run(self, square: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores (896,), 0..1, and boxes (896, 16) of the anchors, of BGR (128, 128, 3).

        A box is eight pairs x, y in pixels of the square: its centre, its size, two eyes, nose,
        mouth, two ears; all but the size are relative to the anchor's centre.
        """
        image = np.ascontiguousarray(square[None, :, :, ::-1], np.float32)
        image -= 127.5
        image /= 127.5
        found = self._engine.run({"input": image})
        logits = found["classificators"].ravel().astype(np.float64)
        return 1 / (1 + np.exp(-logits.clip(-100, 100))), found["regressors"][0].astype(np.float64)
