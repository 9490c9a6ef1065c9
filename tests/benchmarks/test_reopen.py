"""Recognizers opened and closed: growth of any kind is found."""

from __future__ import annotations

import pytest

from mmer.benchmarks import cli
from mmer.benchmarks.reopen import Opened, rows


def opened(mb: float = 0.0, threads: int = 0, files: int = 0, count: int = 100) -> list[Opened]:
    """Openings after which a process has grown; a tooth of 20 MB, as heaps are reused."""
    return [
        Opened(300 + 5 * (n * 7 % 4) + mb * n, 5 + threads * n, 9 + files * n, {})
        for n in range(count)
    ]


def test_a_steady_process_passes() -> None:
    memory, held = rows(opened())
    assert (memory.passed, held.passed) == (True, True)
    assert held.measured == "5 and 5 threads, 9 and 9 files"


@pytest.mark.parametrize(
    ("grown", "row"), [({"mb": 1.0}, 0), ({"threads": 1}, 1), ({"files": 1}, 1)]
)
def test_growth_is_found(grown: dict[str, int], row: int) -> None:
    assert rows(opened(**grown))[row].passed is False


def test_few_openings_are_not_evaluated() -> None:
    memory, held = rows(opened(count=8))
    assert memory.verdict == "not evaluated"
    assert held.passed


def test_a_count_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["reopen", "--count", "0"])
    assert stopped.value.code == 2
    assert "--count is 0" in capsys.readouterr().err
