"""The cache of arrays, where several processes fill it at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np

from mmer.training.storage import cached_arrays


def _fill(path: Path, barrier: object) -> None:
    def compute() -> dict[str, np.ndarray]:
        barrier.wait(30)  # type: ignore[attr-defined]
        return {"a": np.arange(300_000)}

    cached_arrays(path, compute)


def test_processes_may_compute_the_same_entry_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    path = tmp_path / "cache" / "entry.npz"
    workers = [context.Process(target=_fill, args=(path, barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert [p.name for p in path.parent.iterdir()] == ["entry.npz"]
    found = cached_arrays(path, dict)
    np.testing.assert_array_equal(found["a"], np.arange(300_000))
