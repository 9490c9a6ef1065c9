"""Spoken sentences and results about them, by hand."""

from __future__ import annotations

import pytest

from mmer.benchmarks.harness.clip import Span
from mmer.benchmarks.harness.matching import Result, match

SPANS = [Span(16000, 32000, "first"), Span(64000, 80000, "second")]  # 1..2 s and 4..5 s


def outcomes(*results: Result) -> list[str]:
    return [m.outcome for m in match(SPANS, results).matches]


def test_each_has_its_result() -> None:
    found = match(SPANS, [Result(0.8, 2.1, 2.45), Result(3.8, 4.9, 5.6)])
    assert [m.outcome for m in found.matches] == ["matched", "matched"]
    assert found.delays_s == pytest.approx([0.45, 0.6])
    assert found.misses == 0
    assert found.unmatched == ()


def test_missed() -> None:
    found = match(SPANS, [Result(0.8, 2.1, 2.45)])
    assert [m.outcome for m in found.matches] == ["matched", "missed"]
    assert found.misses == 1
    with pytest.raises(ValueError, match="missed"):
        _ = found.matches[1].delay_s


def test_split() -> None:
    assert outcomes(Result(0.8, 1.5, 1.8), Result(1.4, 2.1, 2.4)) == ["split", "missed"]


def test_merged() -> None:
    assert outcomes(Result(0.8, 5.1, 5.4)) == ["merged", "merged"]


def test_cut() -> None:
    assert outcomes(Result(0.8, 1.3, 1.6), Result(3.9, 5.0, 5.3)) == ["cut", "matched"]


def test_a_result_about_silence_is_unmatched() -> None:
    found = match(SPANS, [Result(0.8, 2.1, 2.4), Result(2.5, 3.0, 3.3), Result(3.9, 5, 5.4)])
    assert found.misses == 0
    assert [r.t0 for r in found.unmatched] == [2.5]
    assert found.counts() == {
        "matched": 2, "missed": 0, "split": 0, "merged": 0, "cut": 0, "unmatched": 1,
    }  # fmt: skip


def test_a_touch_is_no_overlap() -> None:
    assert outcomes(Result(2.0, 4.02, 4.5)) == ["missed", "missed"]


def test_no_results_miss_everything() -> None:
    assert match(SPANS, []).misses == 2
