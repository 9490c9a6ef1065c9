"""Times of calls."""

from __future__ import annotations

import gc
import time

import pytest

from mmer.benchmarks.encoders.timing import time_calls


def test_every_call_but_the_warm_up_is_timed() -> None:
    made = []
    found = time_calls(lambda: made.append(gc.isenabled()), calls=7, warm_up=3)
    assert len(found.call_ms) == 7
    assert made == [True] * 3 + [False] * 7
    assert gc.isenabled()


def test_waiting_is_no_work() -> None:
    found = time_calls(lambda: time.sleep(0.005), calls=5, warm_up=0)
    assert min(found.call_ms) >= 5
    assert 0 <= found.cpu_ms < 4


def test_collection_is_on_again_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        time_calls(lambda: 1 // 0, calls=1, warm_up=0)
    assert gc.isenabled()
