"""Whole files: whatever fails or interrupts, the old content is there or all of the new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmer.models.engine.tensorrt.plans import write_whole
from mmer.models.errors import MmerError
from mmer.models.whole_file import whole_file
from mmer.realtime.baseline_file import save_baseline
from mmer.realtime.batch.writing import remove_parts, write_lines
from mmer.realtime.blocks.baseline import READING, Offset
from mmer.realtime.exports.registry import export
from mmer.realtime.exports.run import Run

SESSION = b'{"v":1,"type":"session","source":{"kind":"stream"}}\n'


def save_a_baseline(path: Path) -> None:
    save_baseline(path, {"speech": Offset(READING["speech"])}, {"speech": "a" * 64})


def write_some_lines(path: Path) -> None:
    write_lines(path, [b"one\n", b"two\n"])


def export_a_run(path: Path) -> None:
    run = path.parent / "runs" / "run.jsonl"
    run.parent.mkdir(exist_ok=True)
    run.write_bytes(SESSION)
    export(Run(run), path)


def keep_a_plan(path: Path) -> None:
    write_whole(path, b"plan")


WRITERS: list[Any] = [
    pytest.param(save_a_baseline, "me.json", id="baseline"),
    pytest.param(write_some_lines, "a.jsonl", id="batch"),
    pytest.param(export_a_run, "run.csv", id="export"),
    pytest.param(keep_a_plan, "speech.plan", id="plan"),
]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize(("write", "name"), WRITERS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_call_that_fails_leaves_the_older_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    name: str,
    call: str,
    error: BaseException,
) -> None:
    path = tmp_path / name
    path.write_text("older")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    expected = MmerError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write(path)
    if expected is MmerError:
        assert str(caught.value).startswith(f"cannot write {path}: No space left on device")
    assert path.read_text() == "older"
    assert files(tmp_path) == [name]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_the_content_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], name: str
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append("fsync")
        fsync(descriptor)

    def replaced(*paths: Path) -> None:
        calls.append("replace")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write(tmp_path / name)
    count = len(calls) // 2
    assert count >= 1
    assert calls == ["fsync"] * count + ["replace"] * count
    assert len(files(tmp_path)) == count
    assert not any(written.startswith(".") for written in files(tmp_path))


def test_a_second_file_goes_with_the_first(tmp_path: Path) -> None:
    def second(path: Path) -> Path:
        return path.with_name(f"{path.name}.second")

    def write(text: str) -> None:
        with whole_file(tmp_path / "a", second) as part:
            part.write_text(text)
            if text != "half":
                second(part).write_text(text)

    write("whole")
    with pytest.raises(MmerError, match="cannot write"):
        write("half")
    assert files(tmp_path) == ["a", "a.second"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"whole"}


def test_two_that_write_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole_file(path) as one:
        one.write_text("one")
        with whole_file(path) as other:
            other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one"
    assert files(tmp_path) == ["a"]


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.jsonl") as part:
        part.write_text("a")
        assert part.name.startswith(".")
        remove_parts(tmp_path)
        assert not part.exists()
        part.write_text("a")


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"cannot write .*: No such file"):
        save_a_baseline(tmp_path / "missing" / "me.json")


def test_others_may_read_a_plan_for_a_cache_can_be_a_labs(tmp_path: Path) -> None:
    keep_a_plan(tmp_path / "a.plan")
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "a.plan").stat().st_mode == usual


def test_the_user_alone_may_read_a_baseline_that_replaces_a_public_file(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    path.touch(0o644)
    save_a_baseline(path)
    assert path.stat().st_mode & 0o777 == 0o600
