"""One function over many inputs, in worker processes."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmer.models.encoder import load_encoder
from mmer.models.errors import MmerError
from mmer.realtime.batch.workers import over_workers

DIVIDED: Any = partial(partial, divmod, 100)
"""Makes the function that divides 100 by its argument."""


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_inputs(workers: int) -> None:
    assert list(over_workers(DIVIDED, [3, 7, 50], workers)) == [(33, 1), (14, 2), (2, 0)]


def test_nothing_to_do_starts_nothing() -> None:
    assert list(over_workers(pytest.fail, [], 4)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_function_raises_is_raised(workers: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(over_workers(DIVIDED, [1, 0], workers))


def test_what_cannot_be_loaded_is_one_message(tmp_path: Path) -> None:
    make: Any = partial(load_encoder, "speech", tmp_path / "none", "cpu")
    with pytest.raises(MmerError, match="none"):
        list(over_workers(make, [1, 2], 2))


def test_a_worker_that_dies_is_one_message() -> None:
    with pytest.raises(MmerError, match="a worker process died"):
        list(over_workers(partial(partial, os._exit), [1, 2], 2))


def test_the_number_of_workers_is_checked() -> None:
    with pytest.raises(MmerError, match="--workers is 0"):
        list(over_workers(DIVIDED, [1], 0))
