"""Page of the faults: every row names tests, and every named test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "realtime" / "FAULTS.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
ROWS = [
    line
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| fault |")
]


def test_there_are_rows() -> None:
    assert len(ROWS) >= 25


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_tests_that_exist(row: str) -> None:
    fault, happens, tests = (cell.strip() for cell in row.strip("|").split(" | "))
    assert fault
    assert happens
    named = NAMED.findall(tests)
    assert len(named) == tests.count("::") >= 1
    for file, name in named:
        module = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {n.name for n in module.body if isinstance(n, ast.FunctionDef)}
