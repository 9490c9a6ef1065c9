"""Transcripts of recordings for corpora that have no text."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from moonshine_files import SENTENCE, moonshine_files, spoken

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Utterance
from mmer.training.datasets.item import Item
from mmer.training.multimodal import transcribe


def item_of(folder: Path, samples: np.ndarray) -> Item:
    path = folder / "item.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return Item("manifest", "1", 0, path=path)


def test_a_recording_is_transcribed_with_punctuation(tmp_path: Path) -> None:
    moonshine_files()
    item = item_of(tmp_path, spoken())
    assert transcribe.recognized(item) == Utterance(SENTENCE)
    assert transcribe._model() is transcribe._model()


def test_a_recording_without_a_word_has_no_text(tmp_path: Path) -> None:
    moonshine_files()
    assert transcribe.recognized(item_of(tmp_path, np.zeros(16_000, np.int16))) is None


def test_an_item_without_sound_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcribe, "_model", lambda: pytest.fail("loads an engine"))
    assert transcribe.recognized(Item("manifest", "1", 0, text="hello")) is None


def test_a_recording_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not a recording")
    with pytest.raises(MmerError, match=r"broken\.wav"):
        transcribe.recognized(Item("manifest", "1", 0, path=broken))
