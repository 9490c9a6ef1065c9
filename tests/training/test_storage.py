"""The cache of arrays: filled by several processes at once, damaged, and on a full disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.training.storage import cached_arrays, read_npz

FILL = """
import sys, time
from pathlib import Path
import numpy as np
from mmer.training.storage import cached_arrays

def compute():
    (begun / sys.argv[3]).touch()
    while len(list(begun.iterdir())) < 3:
        time.sleep(0.01)
    return {"a": np.arange(300_000)}

begun = Path(sys.argv[2])
cached_arrays(Path(sys.argv[1]), compute)
"""


def test_processes_may_compute_the_same_entry_at_once(tmp_path: Path) -> None:
    path, begun = tmp_path / "cache" / "entry.npz", tmp_path / "begun"
    begun.mkdir()
    workers = [
        subprocess.Popen([sys.executable, "-c", FILL, str(path), str(begun), str(number)])
        for number in range(3)
    ]

    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert [p.name for p in path.parent.iterdir()] == ["entry.npz"]
    np.testing.assert_array_equal(cached_arrays(path, dict)["a"], np.arange(300_000))


ARRAYS = {"a": np.arange(30.0), "names": np.array(["ab", "c"])}


def damaged(whole: bytes) -> Iterator[bytes]:
    """Cut short at every length, and with each byte changed."""
    yield from (whole[:k] for k in range(len(whole)))
    for k, byte in enumerate(whole):
        yield from (whole[:k] + bytes([other]) + whole[k + 1 :] for other in (0, 255, byte ^ 1))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_whatever_is_damaged_in_a_file_its_reader_says_one_line(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "arrays.npz"
    save(path, **ARRAYS)
    refused = 0
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            read_npz(path, "it is damaged")
        except MmerError:
            refused += 1
    assert refused > 1000


def test_a_damaged_entry_is_computed_anew_and_written(tmp_path: Path) -> None:
    path = tmp_path / "entry.npz"
    np.savez(path, **ARRAYS)
    whole = path.read_bytes()
    for content in (
        b"",
        whole[:100],
        whole[:-1],
        b"no zip at all",
        whole.replace(b"NUMPY", b"nunpy"),
    ):
        path.write_bytes(content)
        assert cached_arrays(path, lambda: ARRAYS) is ARRAYS
        again = cached_arrays(path, dict)
        np.testing.assert_array_equal(again["a"], ARRAYS["a"])
        np.testing.assert_array_equal(again["names"], ARRAYS["names"])
    assert [p.name for p in tmp_path.iterdir()] == ["entry.npz"]


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "entry.npz"

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(MmerError, match=r"cannot write .*entry\.npz: No space left on device"):
        cached_arrays(path, lambda: ARRAYS)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(MmerError, match="cannot make the folder"):
        cached_arrays(tmp_path / "file" / "entry.npz", lambda: ARRAYS)
    monkeypatch.undo()
    path.mkdir()
    with pytest.raises(MmerError, match="cannot write"):
        cached_arrays(path, lambda: ARRAYS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["entry.npz", "file"]


def test_without_a_folder_it_is_computed() -> None:
    assert cached_arrays(None, lambda: ARRAYS) is ARRAYS


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_entry_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    expected = MmerError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        cached_arrays(tmp_path / "entry.npz", lambda: {"a": np.arange(3)})
    assert not list(tmp_path.iterdir())
