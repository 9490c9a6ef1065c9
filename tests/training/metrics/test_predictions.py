from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.training.metrics.predictions import FILE, Predictions


def some(n: int = 4) -> Predictions:
    log_probs = np.full((n, 7), np.log(0.05))
    log_probs[:, 2] = np.log(0.7)
    names = np.array([f"meld/dev/dia{k}_utt0" for k in range(n)])
    return Predictions(names, names, np.arange(n), log_probs, np.arange(n) % 2, "words on meld")


def test_what_is_saved_is_read_again_from_file_or_folder(tmp_path: Path) -> None:
    some().save(tmp_path / FILE)
    for path in (tmp_path, tmp_path / FILE):
        read = Predictions.load(path)
        for name in ("ids", "groups", "labels", "log_probs", "fold"):
            assert (getattr(read, name) == getattr(some(), name)).all()
        assert read.what == "words on meld"


def test_some_of_them() -> None:
    assert some().of([3, 1]).labels.tolist() == [3, 1]
    assert len(some().of(np.array([True, False, False, True]))) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ids": np.array(["a", "b", "a", "c"])}, "twice"),
        ({"groups": np.array(["a"])}, r"groups has the shape \(1,\), expected \(4,\)"),
        ({"labels": np.array([0, 1, 2, 7])}, "not 0 to 6"),
        ({"log_probs": np.zeros((4, 7))}, "not logarithms"),
        ({"log_probs": np.full((4, 6), np.log(1 / 6))}, r"expected \(4, 7\)"),
    ],
)
def test_what_is_not_sound_is_refused(change: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(MmerError, match=told):
        replace(some(), **change)


def test_a_wrong_file_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no predictions at .*: mmer-train leaves them"):
        Predictions.load(tmp_path)
    path = tmp_path / "x.npz"
    for content in (b"", b"words", b"PK\x03\x04 cut"):
        path.write_bytes(content)
        with pytest.raises(MmerError, match="is not a file of predictions"):
            Predictions.load(path)
    np.save(tmp_path / "x.npy", np.arange(3))
    (tmp_path / "x.npy").rename(path)
    with pytest.raises(MmerError, match="is not a file of predictions"):
        Predictions.load(path)
    np.savez(path, ids=np.array(["a"]))
    with pytest.raises(MmerError, match=r"it lacks .*groups"):
        Predictions.load(path)
    np.savez(path, ids=np.array([object()], dtype=object))
    with pytest.raises(MmerError, match="is not a file of predictions"):
        Predictions.load(path)
    with pytest.raises(MmerError, match="cannot write"):
        some().save(tmp_path / "nowhere" / FILE)
