"""`mmer-bench batch`: what it compares, and its options."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.batch import Batch, content_of, killed_row


def test_a_hole_a_double_or_a_changed_byte_is_found(tmp_path: Path) -> None:
    for name, text in (("a/x.jsonl", "1"), ("files.parquet", "2"), (".lock", "")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert content_of(tmp_path) == {"a/x.jsonl": b"1", "files.parquet": b"2"}


def test_one_different_batch_is_a_miss() -> None:
    assert killed_row(20, 9, 20, 4).passed
    assert killed_row(19, 9, 20, 4).passed is False


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["batch", "--workers", "1"])
    assert stopped.value.code == 2
    assert "--workers is 1" in capsys.readouterr().err


STAND_IN = """
import pathlib, sys, time
out = pathlib.Path(sys.argv[3])
out.mkdir(exist_ok=True)
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    (out / f"{path.name}.jsonl").write_bytes(path.read_bytes()[:9])
(out / "files.parquet").write_bytes(b"rows")
"""


@pytest.mark.parametrize(("trick", "passed"), [("", True), ("; (out / 'x').touch()", False)])
def test_speed_and_kills_are_measured(
    monkeypatch: pytest.MonkeyPatch, trick: str, passed: bool
) -> None:
    """On a stand-in for `mmer-batch`; with the trick it leaves a file that was not there before."""
    pytest.importorskip("pyarrow", reason="needs the extra export")
    code = STAND_IN + (f"if 'killed' in str(out): pass{trick}" if trick else "")
    monkeypatch.setattr("mmer.benchmarks.batch._COMMAND", (sys.executable, "-c", code))
    speed, killed = Batch(recordings=2, kills=2).run(lambda text: None).rows
    assert speed.values["times"]
    assert killed.passed is passed
