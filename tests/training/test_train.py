"""``mmer-train`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TINY = """\
name = "tiny"
task = "face"
epochs = 1
batch = 16
learning_rate = 1e-3
[options]
left_eye = [0.3, 0.4]
right_eye = [0.7, 0.4]
widths = [4, 6, 8]
"""


def train(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmer.training.train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_it_trains_exports_and_resumes(corpora: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    (tmp_path / "tiny.toml").write_text(TINY)
    done = train("tiny.toml", "--data", corpora, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fer2013: 70 items of train" in done.stderr
    assert {p.name for p in (tmp_path / "runs/tiny").iterdir()} == {
        "checkpoint.pt",
        "curves.csv",
        "tiny.json",
        "tiny.onnx",
    }
    first = (tmp_path / "runs/tiny/tiny.json").read_text()
    again = train("tiny.toml", "--data", corpora, "--resume", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "runs/tiny/tiny.json").read_text() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smell"], "mmer-train: no recipe 'smell'"),
        (["face", "--data", "nowhere"], "the data folder nowhere does not exist"),
        (["face", "--data", "."], "train.npz is missing"),
        (["face", "--data", ".", "--output", "file/run"], "cannot make the folder file/run"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    (tmp_path / "file").touch()
    done = train(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
