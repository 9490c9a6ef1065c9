"""The folder of real data, for the tests that read it, and tiny corpora made up."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import pytest

from mmer.models.labels import EMOTIONS


@pytest.fixture
def data() -> Path:
    """The folder that MMER_DATA names; skips without it."""
    named = os.environ.get("MMER_DATA")
    if not named:
        pytest.skip("MMER_DATA is not set: it names the folder of real data")
    return Path(named)


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """RAVDESS (16 clips, 14 with an emotion), FER+ (14 pictures) and MELD (7 utterances): noise."""
    root = tmp_path / "data"
    make_speech(root)
    make_faces(root)
    make_texts(root)
    return root


def make_speech(root: Path) -> None:
    rng = np.random.default_rng(0)
    for actor in (17, 18):
        for code in range(1, 9):
            path = root / f"audio/ravdess/Actor_{actor}/03-01-0{code}-01-01-01-{actor}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes(rng.normal(0, 3000, 16_000).astype("<i2").tobytes())


def make_faces(root: Path) -> None:
    folder = root / "face/fer2013"
    folder.mkdir(parents=True)
    votes = np.zeros((14, 10), np.uint8)
    votes[np.arange(14), np.arange(14) % 7] = 9
    images = np.random.default_rng(0).integers(0, 256, (14, 48, 48), np.uint8)
    np.savez(folder / "public_test.npz", images=images, ferplus_votes=votes)


def make_texts(root: Path) -> None:
    (root / "text/meld").mkdir(parents=True)
    rows = [f"What a {name} this is,{name},0,{k}" for k, name in enumerate(EMOTIONS)]
    table = "\n".join(["Utterance,Emotion,Dialogue_ID,Utterance_ID", *rows, ""])
    (root / "text/meld/dev_sent_emo.csv").write_text(table)
