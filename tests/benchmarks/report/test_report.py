"""The report as table, JSON and Markdown."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.report.report import Report, Row, check_writable
from mmer.models.errors import MmerError

ROWS = [
    Row("speed", "replay", "2.00x", "at least 1.5x", True, "all of it", {"x": 2.0}),
    Row("late", "labels", "p95 never", "p95 at most 1 s", False, "", {"p95": math.inf}),
    Row("cpu", "processor | time", "0.5 s", samples={"cpu_ms": [1.0, math.inf]}),
    Row("queues", "queues", "+0.0", "no growth", None, "too short"),
]


@pytest.fixture(scope="module")
def report() -> Report:
    return Report(
        kind="live",
        title="a title",
        command="mmer-bench live --quick",
        machine=describe_machine(),
        settings={"seconds": 20},
        clip={"seconds": 20},
        models={"words": None, "face": "face.onnx"},
        provider={"face": "cpu"},
        rows=ROWS,
    )


def test_json_is_whole_and_strict(report: Report) -> None:
    read = json.loads(report.to_json(), parse_constant=lambda c: pytest.fail(f"{c} is no JSON"))
    assert (read["v"], read["type"], read["kind"]) == (2, "benchmark", "live")
    assert [row["key"] for row in read["rows"]] == ["speed", "late", "cpu", "queues"]
    assert read["rows"][0]["passed"] is True
    assert read["rows"][1]["values"]["p95"] is None
    assert read["rows"][2]["samples"] == {"cpu_ms": [1.0, None]}
    assert read["rows"][2]["better"] == "less"
    assert '"cpu_ms": [ 1.0, null ]' in report.to_json()  # on one line, however many
    machine = read["machine"]
    assert machine["cores"] >= 1
    assert machine["memory_gb"] > 0
    assert machine["versions"]["mmer-live"]
    assert {"cpu", "system", "python", "commit", "date", "load_before"} <= set(machine)


def test_markdown_is_a_table(report: Report) -> None:
    lines = report.to_markdown().splitlines()
    assert lines[0] == "| what | measured | target | |"
    assert lines[2] == "| replay | **2.00x** | at least 1.5x | pass |"
    assert lines[3].endswith("| p95 at most 1 s | miss |")
    assert "processor \\| time" in lines[4]
    assert lines[5].endswith("| not evaluated |")
    assert "- queues: too short." in lines
    assert "`mmer-bench live --quick` on " in lines[-1]
    assert "face face.onnx" in lines[-1]


def test_the_table_shows_every_row(report: Report) -> None:
    screen = io.StringIO()
    report.show(Console(file=screen, width=160))
    shown = screen.getvalue()
    for word in ("a title", "2.00x", "pass", "miss", "not evaluated", "too short", "load before"):
        assert word in shown


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    check_writable(None)
    check_writable(tmp_path / "new.json")
    with pytest.raises(MmerError, match="folder"):
        check_writable(tmp_path)
    with pytest.raises(MmerError, match="not a folder"):
        check_writable(tmp_path / "not" / "there.json")
    old = tmp_path / "old.json"
    old.write_text("kept")
    check_writable(old)
    assert old.read_text() == "kept"
    assert [*tmp_path.iterdir()] == [old]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody may write to")
def test_a_folder_that_nobody_may_write_to_is_refused_before_the_work() -> None:
    with pytest.raises(MmerError, match=r"cannot write /proc/self/x\.json: "):
        check_writable(Path("/proc/self/x.json"))
