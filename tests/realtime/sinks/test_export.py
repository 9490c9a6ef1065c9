"""Export sink: the same file as an export afterwards, and what a killed session leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.exports.registry import FORMATS, export
from mmer.realtime.exports.run import Run
from mmer.realtime.sinks.export import Export
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.output import LineFile
from mmer.realtime.sinks.registry import parse_output


def run_through(sink: JsonLines | Export, make: SimpleNamespace, close: bool = True) -> None:
    sink.open(make.info(live=True))
    for event in make.session():
        sink.write(event, 3.0)
    if close:
        sink.close(make.end)


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_export_while_live_is_the_export_afterwards(
    tmp_path: Path, make: SimpleNamespace, suffix: str
) -> None:
    for package in ("pympi", "webvtt", "pyarrow"):
        pytest.importorskip(package, reason="needs the extra export")
    run_through(Export(str(tmp_path / f"live{suffix}")), make)
    run_through(JsonLines(str(tmp_path / "run.jsonl")), make)
    export(Run(tmp_path / "run.jsonl"), tmp_path / f"after{suffix}")
    live, after = tmp_path / f"live{suffix}", tmp_path / f"after{suffix}"
    assert live.read_bytes() == after.read_bytes()
    assert b"joy" in live.read_bytes()
    tables = {f"{n}.utterances{suffix}" for n in ("live", "after")} & set(os.listdir(tmp_path))
    assert set(os.listdir(tmp_path)) == {live.name, after.name, "run.jsonl", *tables}


def test_an_error_that_ends_the_session_still_exports(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    sink = Export(str(tmp_path / "run.csv"))
    run_through(sink, make, close=False)
    sink.close(None)
    assert "joy" in (tmp_path / "run.csv").read_text()


def test_arrow_streams_can_be_read_while_the_session_runs(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    ipc = pytest.importorskip("pyarrow.ipc", reason="needs the extra export")
    sink = Export(str(tmp_path / "run.parquet"))
    run_through(sink, make, close=False)  # 4 estimates: a batch
    stream = ipc.open_stream((tmp_path / "run.arrows").read_bytes())
    assert stream.read_next_batch()["label"].to_pylist() == [None, "joy", "joy", "surprise"]
    stream = ipc.open_stream((tmp_path / "run.utterances.arrows").read_bytes())
    assert stream.read_next_batch()["text"].to_pylist() == ["what a wonderful day"]
    sink.close(make.end)
    assert not list(tmp_path.glob("*.arrows"))


def test_a_disk_that_is_full_at_the_end_keeps_the_lines_and_says_how_to_go_on(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run: Run, path: Path) -> None:
        raise OSError(28, "No space left on device")

    sink = Export(str(tmp_path / "run.csv"))
    run_through(sink, make, close=False)
    with monkeypatch.context() as patch:
        patch.setattr("mmer.realtime.exports.tables.write_csv", full)
        with pytest.raises(MmerError, match="No space left") as error:
            sink.close(make.end)
    *_, part, target = str(error.value).split()
    export(Run(part), Path(target))
    assert "joy" in (tmp_path / "run.csv").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_lines_that_another_program_moves_are_reported(
    tmp_path: Path, make: SimpleNamespace, suffix: str, at_the_end: bool
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="needs the extra export")
    sink = Export(str(tmp_path / f"run{suffix}"))
    sink.open(make.info(live=True))
    events = make.session()
    for n, event in enumerate(events, 1):
        sink.write(event, 3.0)
        if n == (len(events) if at_the_end else 2):
            beside = [p for p in tmp_path.iterdir() if p.suffix in (".jsonl", ".arrows")]
            for path in beside:
                path.rename(path.with_suffix(".old"))
    sink.close(make.end)
    (said,) = sink.reports()
    assert "moved or removed by another program" in said
    assert str(tmp_path / f"run{suffix}") in said
    assert sink.reports() == []
    assert (tmp_path / f"run{suffix}").exists()
    assert not [p for p in tmp_path.iterdir() if p.suffix in (".jsonl", ".arrows")]


def test_an_export_must_not_be_the_input(tmp_path: Path, make: SimpleNamespace) -> None:
    (tmp_path / "clip.csv").write_text("")
    sink = Export(str(tmp_path / "clip.csv"))
    with pytest.raises(MmerError, match="the input itself"):
        sink.open(make.info(source={"kind": "file", "name": str(tmp_path / "clip.csv")}))
    assert parse_output("export:x.eaf") == ("export", "x.eaf")


@pytest.mark.parametrize("fault", ["folder", "other folder", "full", "full later", "ctrl-c"])
def test_an_export_that_cannot_open_leaves_nothing_behind(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra export")
    kept = {"folder": "run.arrows", "other folder": "run.utterances.arrows"}.get(fault)
    if kept is not None:
        (tmp_path / kept).mkdir()
    opened = []

    def new_stream(file: object, schema: object) -> object:
        opened.append(file)
        if fault == "ctrl-c":
            raise KeyboardInterrupt
        if fault == "full" or len(opened) == 2:
            raise OSError(28, "No space left on device")
        return ipc_stream(file, schema)

    ipc_stream = pa.ipc.new_stream
    if kept is None:
        monkeypatch.setattr(pa.ipc, "new_stream", new_stream)
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    sink = Export(str(tmp_path / "run.parquet"))
    with pytest.raises(KeyboardInterrupt if fault == "ctrl-c" else MmerError) as error:
        sink.open(make.info(live=True))
    assert os.listdir(tmp_path) == ([] if kept is None else [kept])
    assert all(file.closed for file in opened)
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) == descriptors
    assert "mmer-live export" not in str(error.value)  # there is nothing to export
    sink.close(None)
    assert os.listdir(tmp_path) == ([] if kept is None else [kept])


def test_an_export_whose_first_line_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: LineFile, line: bytes) -> None:
        raise MmerError("cannot write: No space left on device")

    monkeypatch.setattr(LineFile, "write", full)
    with pytest.raises(MmerError, match="No space left"):
        Export(str(tmp_path / "run.csv")).open(make.info(live=True))
    assert not os.listdir(tmp_path)


SESSION = """
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from conftest import estimate, info
from mmer.realtime.sinks.export import Export
from mmer.realtime.sinks.jsonl import JsonLines

sinks = [JsonLines("run.jsonl"), Export("run.parquet")]
for sink in sinks:
    sink.open(info(live=True))
for n in count(1):
    for sink in sinks:
        sink.write(estimate(n / 4), n / 4)
    print(n, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_session_killed_with_9_can_be_exported(tmp_path: Path) -> None:
    ipc = pytest.importorskip("pyarrow.ipc", reason="needs the extra export")
    process = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(Path(__file__).parent)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 50:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    run = Run(tmp_path / "run.jsonl")
    export(run, tmp_path / "after.csv")
    rows = (tmp_path / "after.csv").read_text().splitlines()[1:]
    assert len(rows) >= 50
    assert run.damaged == 0
    (part,) = tmp_path.glob("run.parquet.*.part.jsonl")
    assert len(list(Run(part).estimates())) >= 50
    batches = []
    stream = ipc.open_stream((tmp_path / "run.arrows").read_bytes())
    try:
        while True:
            batches.append(stream.read_next_batch())
    except (StopIteration, OSError):  # the end of what was written
        assert sum(b.num_rows for b in batches) >= 48
