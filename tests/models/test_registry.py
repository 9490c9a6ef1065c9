"""Registry: lookup, lazy import, one error text; run_command: one line and a status."""

from __future__ import annotations

import sys

import pytest

from mmer.models.command import run_command
from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry


def parts() -> Registry[Entry]:
    return Registry("part", {"a": Entry("fractions:Fraction", "a fraction")})


def test_an_entry_is_imported_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fractions", raising=False)
    registry = parts()
    assert list(registry) == ["a"]
    assert "fractions" not in sys.modules
    assert registry.load("a")(1, 2) == 0.5


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(MmerError, match="no part 'b'; known are a"):
        parts()["b"]


def test_an_added_entry_is_found_and_a_name_is_given_once() -> None:
    registry = parts()
    registry.add("b", Entry("fractions:Fraction", "another"))
    assert registry.load("b")(3, 4) == 0.75
    assert len(registry) == 2
    with pytest.raises(MmerError, match="already a part 'b'"):
        registry.add("b", Entry("fractions:Fraction", "again"))


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [(MmerError("no such file"), 2, "no such file"), (KeyboardInterrupt(), 130, "stopped")],
)
def test_a_command_fails_in_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command("mmer-x", fail)
    assert ended.value.code == status
    assert capsys.readouterr().err == f"mmer-x: {line}\n"
