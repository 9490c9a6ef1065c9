"""Calls that wait for an engine are run together, and everyone gets their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmer.models.engine.batching import BatchingEngine


class Doubling:
    """Doubles "x"; the first run waits until it is let go."""

    provider, inputs, outputs = "cpu", ("x",), ("y", "n")

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.batches.append(inputs["x"].shape)
        self.begun.set()
        assert self.go.wait(5)
        if (inputs["x"] < 0).any():
            raise ValueError("below zero")
        return {"y": 2 * inputs["x"], "n": np.full(len(inputs["x"]), len(self.batches))}


def call(engine: BatchingEngine, value: float, width: int = 3, rows: int = 1) -> np.ndarray:
    return engine.run({"x": np.full((rows, width), value, np.float32)})["y"]


def together(engine: BatchingEngine, inner: Doubling, calls: list[tuple]) -> list:
    """The first call alone; the others wait for it, and are let go when all are there."""
    with ThreadPoolExecutor(len(calls)) as pool:
        first = pool.submit(call, engine, *calls[0])
        assert inner.begun.wait(5)
        others = [pool.submit(call, engine, *c) for c in calls[1:]]
        while len(engine._waiting) < len(others):
            threading.Event().wait(0.001)
        inner.go.set()
        return [first, *others]


def test_a_call_alone_runs_at_once() -> None:
    inner = Doubling()
    inner.go.set()
    engine = BatchingEngine(inner)
    assert (engine.provider, engine.inputs, engine.outputs) == ("cpu", ("x",), ("y", "n"))
    assert call(engine, 2, rows=2).tolist() == [[4, 4, 4], [4, 4, 4]]
    assert (engine.runs, engine.rows) == (1, 2)


def test_those_that_wait_are_run_together_and_each_gets_its_own() -> None:
    inner = Doubling()
    engine = BatchingEngine(inner)
    done = together(engine, inner, [(1,), (2,), (3, 3, 2), (4,), (5, 6)])
    assert [d.result()[0, 0] for d in done] == [2, 4, 6, 8, 10]
    assert [len(d.result()) for d in done] == [1, 1, 2, 1, 1]
    # the first; the three of like shape; the one of another
    assert sorted(inner.batches) == [(1, 3), (1, 6), (4, 3)]
    assert (engine.runs, engine.rows) == (3, 6)


def test_a_batch_has_its_limit() -> None:
    inner = Doubling()
    engine = BatchingEngine(inner, most_rows=3)
    done = together(engine, inner, [(k,) for k in range(8)])
    assert [d.result()[0, 0] for d in done] == [2 * k for k in range(8)]
    assert max(shape[0] for shape in inner.batches) == 3
    assert sum(shape[0] for shape in inner.batches) == 8


def test_a_call_that_fails_costs_those_it_ran_with_nothing() -> None:
    inner = Doubling()
    engine = BatchingEngine(inner)
    done = together(engine, inner, [(1,), (-1,), (2,), (3, 5)])
    assert [d.result()[0, 0] for d in (done[0], *done[2:])] == [2, 4, 6]
    with pytest.raises(ValueError, match="below zero"):
        done[1].result()
    assert call(engine, 7)[0, 0] == 14
    assert engine._waiting == []


def test_many_callers_for_long() -> None:
    inner = Doubling()
    inner.go.set()
    engine = BatchingEngine(inner, most_rows=4)

    def work(k: int) -> bool:
        return all(call(engine, k * 1000 + i, 2 + k % 2)[0, 0] == 2 * (k * 1000 + i)
                   for i in range(200))  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert engine.rows == 1600
    assert engine._waiting == []
