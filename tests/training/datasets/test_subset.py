"""Subsets: a bound for each class, spread over the corpus."""

from __future__ import annotations

import numpy as np

from mmer.training.datasets.subset import evenly_per_class


def test_at_most_so_many_of_each_class_are_spread_over_the_rows() -> None:
    labels = np.array([0, 1, 0, 0, -1, 0, 0, 2, 2, -1])  # no class has -1, and some have no row
    assert evenly_per_class(labels, 3).tolist() == [0, 1, 3, 6, 7, 8]
    assert evenly_per_class(labels, 1).tolist() == [0, 1, 7]
    assert evenly_per_class(labels, 50).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    nothing = evenly_per_class(np.zeros(0, np.int64), 3)
    assert nothing.tolist() == []
    assert nothing.dtype == np.int64
