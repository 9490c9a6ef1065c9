"""Training-set fingerprints: what is no sound one is one line."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards import seen as seen_module
from mmer.models.cards.seen import Seen
from mmer.models.errors import MmerError


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "face.seen.npz"
    Seen(frozenset({"meld/train/1"}), np.arange(100, dtype=np.uint64)).save(path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(MmerError, match="cannot read what the model was trained on") as caught:
        Seen.load(path)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_damaged_one_is_one_line(whole: Path) -> None:
    content = whole.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content[: rng.integers(0, len(content) + 1)])
        for place in rng.integers(0, max(len(damaged), 1), 3):
            if damaged:
                damaged[place] = rng.integers(256)
        whole.write_bytes(bytes(damaged))
        try:
            Seen.load(whole)
        except MmerError:
            refused(whole)


def test_one_that_unpacks_to_too_much_is_refused(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_module, "LARGEST", 1_000_000)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(2_000_000))
    assert whole.stat().st_size < 10_000
    assert "unpacks to 2 MB" in refused(whole)


@pytest.mark.skipif(os.name == "nt", reason="needs a named pipe")
def test_a_pipe_or_a_device_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "endless.npz").symlink_to("/dev/zero")
    for name in ("pipe.npz", "endless.npz", "missing.npz"):
        refused(tmp_path / name)
