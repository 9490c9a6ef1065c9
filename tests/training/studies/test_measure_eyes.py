"""The study of eye positions: by its defaults, and its errors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.store.store import Store
from mmer.training.studies import measure_eyes


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["measure_eyes", *arguments])
    measure_eyes.main()


def test_without_arguments_it_takes_data_and_detector_of_this_machine(
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = []

    def measured(images: np.ndarray, detector: Path) -> np.ndarray:
        given.append((len(images), detector))
        return np.tile([[0.3, 0.4], [0.7, 0.4]], (3, 1, 1))

    monkeypatch.setenv("MMER_DATA", str(corpora))
    monkeypatch.setattr(Store, "get", lambda self, asset: tmp_path / asset.file)
    monkeypatch.setattr(measure_eyes, "measure", measured)
    called(monkeypatch, "--pictures", "5")
    assert given == [(5, tmp_path / "face_detection_short_range.tflite")]
    printed = capsys.readouterr().out
    assert "3 of 5 pictures" in printed
    assert "right_eye = [0.700, 0.400]" in printed
    called(monkeypatch, "--detector", str(tmp_path / "mine.tflite"))
    assert given[-1][1] == tmp_path / "mine.tflite"


def test_without_mediapipe_or_data_the_error_is_one_line(
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    for folder, error in ((corpora, "mmer-live[mediapipe]"), (tmp_path / "none", "does not exist")):
        with pytest.raises(SystemExit) as ended:
            called(monkeypatch, "--data", str(folder), "--detector", str(tmp_path / "d.tflite"))
        assert ended.value.code == 2
        printed = capsys.readouterr().err
        assert error in printed
        assert printed.count("\n") == 1


def test_a_detector_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    with pytest.raises(MmerError, match=r"none\.tflite"):
        measure_eyes.measure(np.zeros((1, 48, 48), np.uint8), tmp_path / "none.tflite")
