"""Benchmark of the server: what it measures is there, and a loss shows."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette", reason="needs the extra: pip install 'mmer-live[serve]'")

from mmer.benchmarks.serve.command import Serve, memory_row
from mmer.benchmarks.serve.players import Played
from mmer.models.errors import MmerError
from mmer.realtime.messages import SessionEnd


def test_a_session_that_lacks_a_final_is_lost() -> None:
    end = SessionEnd(9.0, 2, 30, {})
    assert not Played([10.0], finals=2, end=end).lost
    assert Played([10.0], finals=1, end=end).lost
    assert Played([10.0], finals=2).lost
    assert Played([10.0], finals=2, end=end, error="broke off").lost


def test_growth_is_a_miss() -> None:
    assert memory_row(200.0, 205.0, 200).passed
    assert not memory_row(200.0, 230.0, 200).passed


@pytest.mark.parametrize("options", [{"sessions": 0}, {"seconds": 1}, {"abusive": -1}])
def test_wrong_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(MmerError):
        Serve(**options).check()


@pytest.mark.slow
def test_a_short_run_measures_everything() -> None:
    pytest.importorskip("psutil", reason="measures memory")
    said: list[str] = []
    report = Serve(sessions=1, seconds=3, opened=2, abusive=3, fuzzed=100).run(said.append)
    rows = {row.key: row for row in report.rows}
    assert rows["capture_to_line"].values["n"]
    assert rows["lost"].values["lost"] == 0
    assert rows["abused"].values["n"]
    assert rows["alive"].passed
    assert rows["fuzzed"].passed
    assert rows["fuzzed_lost"].values["lost"] == 0
    assert set(rows) >= {"ready_s", "cpu", "memory", "abused_lost"}
