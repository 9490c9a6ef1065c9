"""Reports that are read across."""

from __future__ import annotations

import io
import json

from rich.console import Console

from mmer.benchmarks.harness.machine import describe_machine
from mmer.benchmarks.report.report import Report, Row
from mmer.benchmarks.report.tables import Table

TABLE = Table(["network", "on", "ms"], [["face|48", "cpu", "1.5"]], "A call", words=2)


def report(*rows: Row) -> Report:
    return Report(
        kind="encoders",
        title="a title",
        command="mmer-bench encoders",
        machine=describe_machine(),
        settings={},
        clip={},
        models={"face": "face.onnx"},
        provider={"face": "cpu"},
        rows=rows,
        tables=[TABLE],
    )


def shown(found: Report) -> str:
    screen = io.StringIO()
    found.show(Console(file=screen, width=200))
    return screen.getvalue()


def test_a_table_in_markdown() -> None:
    assert TABLE.to_markdown().splitlines() == [
        "A call",
        "",
        "| network | on | ms |",
        "| --- | --- | ---: |",
        "| face\\|48 | cpu | 1.5 |",
    ]


def test_figures_are_in_the_tables_and_what_is_evaluated_below() -> None:
    found = report(Row("a", "a figure", "1.5 ms"), Row("b", "a verdict", "9", "8", True, "why"))
    for text in (found.to_markdown(), shown(found)):
        assert "face" in text
        assert "a figure" not in text
        assert "a verdict" in text
        assert "why" in text
        assert "a title" in text
    keys = [row["key"] for row in json.loads(found.to_json())["rows"]]
    assert keys == ["a", "b"]


def test_without_a_verdict_there_is_no_empty_table() -> None:
    found = report(Row("a", "a figure", "1.5 ms"))
    assert "verdict" not in shown(found)
    assert "| what |" not in found.to_markdown()
    assert "`mmer-bench encoders` on " in found.to_markdown()
    assert "face face.onnx" in shown(found)
