"""Frame-wise evidence of the last seconds, kept in order of capture time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Span(NamedTuple):
    """Evidence of one modality in order of time; k may be 0."""

    t: NDArray[np.float64]  # shape (k,): capture times
    quality: NDArray[np.float64]  # shape (k,)
    log_probs: NDArray[np.float64]  # shape (k, 7)
    embedding: NDArray[np.float32] | None = None  # of the newest, (d,) or (T, d)
    punctuated: float = 0.0  # of the newest, as in ``Opinion``
    baseline: float = 0.0


class EvidenceWindow:
    """Frame-wise evidence sorted by capture time, whatever the order of arrival.

    Plain arrays with a start and an end: many frames a second are added at the end, forgotten at
    the start, and read as one slice.
    """

    def __init__(self, classes: int, capacity: int = 256) -> None:
        self._t = np.zeros(capacity)
        self._quality = np.zeros(capacity)
        self._log_probs = np.zeros((capacity, classes))
        self._embedding = np.full(capacity, None, object)
        self._start = self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def add(
        self,
        t: float,
        quality: float,
        log_probs: NDArray[np.float64],
        embedding: NDArray[np.float32] | None = None,
    ) -> None:
        """Insert one piece of evidence at its place in time."""
        if self._end == len(self._t):
            self._make_room()
        at = self._start + int(np.searchsorted(self._t[self._start : self._end], t, side="right"))
        for array in (self._t, self._quality, self._log_probs, self._embedding):
            array[at + 1 : self._end + 1] = array[at : self._end].copy()
        self._t[at], self._quality[at], self._log_probs[at] = t, quality, log_probs
        self._embedding[at] = embedding
        self._end += 1

    def between(self, after: float, until: float) -> Span:
        """The evidence with ``after < t <= until``, as views that live until the next ``add``."""
        first, last = np.searchsorted(self._t[self._start : self._end], (after, until), "right")
        part = slice(self._start + int(first), self._start + max(int(first), int(last)))
        newest = self._embedding[part.stop - 1] if part.stop > part.start else None
        return Span(self._t[part], self._quality[part], self._log_probs[part], newest)

    def forget(self, until: float) -> None:
        """Drop the evidence with ``t <= until``."""
        live = self._t[self._start : self._end]
        gone = self._start + int(np.searchsorted(live, until, side="right"))
        self._embedding[self._start : gone] = None
        self._start = gone

    def _make_room(self) -> None:
        count, old = len(self), slice(self._start, self._end)
        capacity = len(self._t) if count <= len(self._t) // 2 else 2 * len(self._t)
        for name in ("_t", "_quality", "_log_probs", "_embedding"):
            array = getattr(self, name)
            fresh = np.zeros((capacity, *array.shape[1:]), array.dtype)
            fresh[:count] = array[old]
            setattr(self, name, fresh)
        self._start, self._end = 0, count
