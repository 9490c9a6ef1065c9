"""BlazeFace's network: the shipped file, and what it says beside the file that it was made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmer.models import blazeface
from mmer.models.blazeface import SIDE, BlazeFace, blazeface_file
from mmer.models.errors import MmerError
from mmer.models.files import weights_dir
from mmer.models.store.store import Store
from mmer.realtime.demo import clip


def squares(path: Path, every: int) -> Iterator[np.ndarray]:
    """Frames of a video, each stretched to the network's input."""
    import av

    with av.open(str(path)) as container:
        for n, frame in enumerate(container.decode(video=0)):
            if n % every == 0:
                yield cv2.resize(frame.to_ndarray(format="bgr24"), (SIDE, SIDE))


def test_it_scores_a_face_and_nothing_else() -> None:
    network = BlazeFace.load()
    scores, boxes = network.run(np.zeros((SIDE, SIDE, 3), np.uint8))
    assert scores.shape == (896,)
    assert boxes.shape == (896, 16)
    assert scores.max() < 0.1
    best = [network.run(square)[0].max() for square in squares(clip(), 40)]
    assert max(best) > 0.8


def test_threads_may_share_it() -> None:
    network = BlazeFace.load()
    inputs = list(squares(clip(), 20))
    one_by_one = [network.run(square) for square in inputs]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(network.run, inputs))
    for alone, among in zip(one_by_one, at_once, strict=True):
        assert np.array_equal(alone[0], among[0])
        assert np.array_equal(alone[1], among[1])


def test_it_runs_on_the_cpu_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[Path, str]] = []
    monkeypatch.setattr(blazeface, "open_engine", lambda *a: opened.append(a))
    BlazeFace.load()
    assert opened == [(weights_dir() / "blazeface.onnx", "cpu")]


def test_a_file_that_is_missing_or_damaged_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(blazeface_file().read_bytes())
    monkeypatch.setattr(blazeface, "weights_dir", lambda: tmp_path)
    path = tmp_path / "blazeface.onnx"
    with pytest.raises(MmerError, match=r"cannot be read \(No such file.*install mmer-live again"):
        BlazeFace.load()
    content[-1] ^= 1
    for damaged in (bytes(content), bytes(content[: len(content) // 2]), b""):
        path.write_bytes(damaged)
        with pytest.raises(
            MmerError, match=r"blazeface\.onnx is damaged: install mmer-live again$"
        ):
            BlazeFace.load()


@pytest.mark.data
def test_it_is_the_network_of_mediapipes_file() -> None:
    """By OpenCV's own reader of that file, on frames of GRID and of the demo."""
    store = Store(offline=True)
    if (file := store.find(store.face)) is None:
        pytest.skip(f"{store.face.file} is in no folder that MMER_MODELS names")
    theirs: Any = cv2.dnn.readNetFromTFLite(np.frombuffer(file.read_bytes(), np.uint8))
    ours = BlazeFace.load()
    folder = Path(os.environ["MMER_DATA"]) / "video" / "grid"
    clips = [clip(), *sorted(folder.glob("*.mp4"))]
    assert len(clips) > 1
    faces = 0
    for square in (s for path in clips for s in squares(path, 10)):
        mean = (127.5, 127.5, 127.5)
        theirs.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=mean, swapRB=True))
        logits, regressors = theirs.forward(["classificators", "regressors"])
        scores, boxes = ours.run(square)
        expected = 1 / (1 + np.exp(-logits.ravel().astype(float).clip(-100, 100)))
        assert np.allclose(scores, expected, rtol=0, atol=1e-5)
        sure = scores >= 0.5
        faces += int(sure.any())
        assert np.allclose(boxes[sure], regressors[0][sure], rtol=0, atol=1e-3)  # pixels
    assert faces > 10
