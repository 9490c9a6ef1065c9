"""``mmer-train`` as a user meets it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starting_points import need_dlib

from mmer.training.commands import train as module
from mmer.training.recipes.recipe import Recipe

TINY = """\
name = "tiny"
task = "face"
epochs = 1
batch = 16
learning_rate = 1e-3
[options]
left_eye = [0.3, 0.4]
right_eye = [0.7, 0.4]
stages = 1
"""


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "mmer.training.commands.train", *map(str, arguments)]


def train_here(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cwd: Path,
    *arguments: str | Path,
) -> tuple[int, str]:
    """The command in this process, which has imported torch: status and standard error."""
    monkeypatch.chdir(cwd)
    monkeypatch.setattr(sys, "argv", ["mmer-train", *map(str, arguments)])
    status = 0
    try:
        module.main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    return status, capsys.readouterr().err


@pytest.mark.slow
def test_it_trains_exports_and_resumes(
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    need_dlib()
    (tmp_path / "tiny.toml").write_text(TINY)
    status, told = train_here(monkeypatch, capsys, tmp_path, "tiny.toml", "--data", corpora)
    assert status == 0, told
    told = " ".join(told.split())
    assert "fer2013: 70 items of train" in told
    assert "training on c" in told  # cpu or cuda
    assert "epoch 1 loss" in told
    assert "peak memory: " in told
    assert {p.name for p in (tmp_path / "runs/tiny").iterdir()} == {
        "checkpoint.pt",
        "curves.csv",
        "curves.png",
        "tiny.json",
        "tiny.onnx",
        "tiny.seen.npz",
    }
    first = (tmp_path / "runs/tiny/tiny.onnx").read_bytes()
    status, told = train_here(monkeypatch, capsys, tmp_path, "tiny.toml", "--data", corpora)
    assert status == 2
    assert "runs/tiny holds a run: --resume goes on with it" in told
    assert (tmp_path / "runs/tiny/tiny.onnx").read_bytes() == first
    status, told = train_here(
        monkeypatch, capsys, tmp_path, "tiny.toml", "--data", corpora, "--resume"
    )
    assert status == 0, told
    assert "resumed after epoch 1 of 1" in told
    assert (tmp_path / "runs/tiny/tiny.onnx").read_bytes() == first


def test_a_run_that_is_refused_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "nothing").mkdir()
    status, told = train_here(
        monkeypatch, capsys, tmp_path, "tiny.toml", "--data", tmp_path / "nothing"
    )
    assert status == 2, told
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_is_one_line(corpora: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    need_dlib()
    (tmp_path / "tiny.toml").write_text(TINY.replace("epochs = 1", "epochs = 100000"))
    process = subprocess.Popen(
        command("tiny.toml", "--data", corpora),
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 120
    checkpoint = tmp_path / "runs/tiny/checkpoint.pt"
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.rstrip().endswith("mmer-train: stopped; --resume takes up after a finished epoch")
    assert "Traceback" not in told
    assert checkpoint.exists()


def test_help_tells_every_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mmer-train", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert not ended.value.code
    told = capsys.readouterr().out
    for word in ("RECIPE", "--data", "--output", "--cache", "--resume"):
        assert word in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smell"], "mmer-train: no recipe 'smell'"),
        (["face", "--data", "nowhere"], "the data folder nowhere does not exist"),
        (["face", "--data", "."], "face does not exist: give the folder of fer2013"),
        (["face", "--data", ".", "--output", "file/run"], "cannot make the folder file/run"),
        (["face", "--smell"], "--smell"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    tmp_path: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    (tmp_path / "file").touch()
    status, told = train_here(monkeypatch, capsys, tmp_path, *arguments)
    assert status == 2
    assert message in " ".join(told.split())
    assert "Traceback" not in told


def test_a_corpus_is_left_out_of_all_runs_that_lead_there(
    corpora: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    called: list[tuple[Recipe, Path]] = []
    monkeypatch.setattr(module, "train", lambda *a, **_: called.append((a[0], a[2])))

    for name in ("speech-first", "speech"):
        given = (name, "--leave-out", "emodb", "--data", corpora)
        assert train_here(monkeypatch, capsys, tmp_path, *given) == (0, "")

    (first, first_folder), (second, _) = called
    assert (list(first.start), list(second.start)) == ([], [first_folder.name])
    assert [r.options["leave_out"] for r in (first, second)] == ["emodb", "emodb"]
