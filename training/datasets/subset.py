"""Subsets of a corpus, the same at each call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS


def evenly_per_class(labels: NDArray[np.int64], per_class: int) -> NDArray[np.int64]:
    """At most ``per_class`` rows of each class, evenly spaced, in order: int (M,).

    Of labels (N,); those below 0 are of no class.
    """
    rows = [np.flatnonzero(labels == c) for c in range(len(EMOTIONS))]
    chosen = [r[np.linspace(0, len(r) - 1, min(len(r), per_class)).astype(int)] for r in rows]
    return np.sort(np.concatenate(chosen))
