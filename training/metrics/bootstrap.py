"""Bootstrap intervals by resampling speakers or dialogues.

The percentile bootstrap over clusters (Efron & Tibshirani 1993; Field & Welsh 2007): whole groups
are drawn with replacement, since items of one speaker are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.item import Item
from mmer.training.metrics.figures import ECE_BINS

FEWEST_GROUPS: Final = 10
"""Smallest number of groups; with fewer, items are drawn instead."""
METRICS: Final = ("accuracy", "weighted_f1", "macro_f1", "unweighted_recall", "ece")
_SHARE: Final = 0.95
"""Of the resamples, between low and high."""
_CHUNK: Final = 2_000_000
"""Random numbers drawn at a time."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Units of resampling: ``of`` has the group of each item, int (N,), numbered from 0.

    ``by`` is "speaker", "dialogue", "group" (one of the two) or "item"; ``why`` has the reason
    against a better choice. ``names`` has the name of each item's group.
    """

    by: str
    of: NDArray[np.int64]
    n: int
    why: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"items ({self.why})" if self.by == "item" else f"{self.n} {self.by}s"


def group(items: Sequence[Item], dialogues_first: bool = False) -> Groups:
    """Speakers, else dialogues (or the other way round), else single items.

    An item that has no speaker in a corpus that has speakers is a group of its own.
    """
    kinds = {
        "speaker": [item.speaker_group for item in items],
        "dialogue": [item.dialogue_group for item in items],
    }
    found = []
    for kind in sorted(kinds) if dialogues_first else sorted(kinds, reverse=True):
        named = sorted({name for name in kinds[kind] if name})
        if len(named) >= FEWEST_GROUPS:
            return _numbered(kind, [n or i.id for n, i in zip(kinds[kind], items, strict=True)])
        if named:
            found.append(f"{len(named)} {kind}{'s' if len(named) > 1 else ''}")
    why = f"only {' and '.join(found)}" if found else "no speakers or dialogues are named"
    names = tuple(i.speaker_group or i.dialogue_group or i.id for i in items)
    return Groups("item", np.arange(len(items)), len(items), why, names)


def check_draws(resamples: int, seed: int) -> None:
    """Check the options of a bootstrap.

    Raises:
        MmerError: there are too few draws for an interval, or the seed is none.
    """
    if resamples < 100:
        raise MmerError(f"--resamples is {resamples}: an interval needs 100 or more")
    if seed < 0:
        raise MmerError(f"--seed is {seed}: it must be 0 or more")


def regroup(names: Sequence[str]) -> Groups:
    """Groups from stored names; single items where the groups are few."""
    n = len(set(names))
    if FEWEST_GROUPS <= n < len(names):
        return _numbered("group", names)
    why = f"only {n} groups" if n < len(names) else "each item is a group of its own"
    return Groups("item", np.arange(len(names)), len(names), why, tuple(names))


def _numbered(by: str, names: Sequence[str]) -> Groups:
    numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
    of = np.array([numbers[name] for name in names], np.int64)
    return Groups(by, of, len(numbers), names=tuple(names))


def intervals(
    log_probs: NDArray[np.floating],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % percentile interval of each of ``METRICS``; the same for the same seed.

    That of the calibration error is shifted so that the mean of its draws is the measured error.

    Args:
        log_probs: (N, 7).
        labels: class indices (N,).
        groups: the group of each item (N,), from 0 on, none missing.
        resamples: number of draws.
        seed: of the draws.
    """
    counts = tallies(log_probs, labels, groups)
    values = scores(resampled(counts, resamples, seed))
    # noise adds to a calibration error and never cancels in it, so resamples lie too high
    values["ece"] += scores(counts.sum(axis=0)[None])["ece"] - values["ece"].mean()
    edges = [50 * (1 - _SHARE), 50 * (1 + _SHARE)]
    found = {name: np.percentile(values[name], edges).clip(0, 1) for name in METRICS}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def resampled(counts: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Sums of as many groups as there are, drawn with replacement: (G, K) to (resamples, K)."""
    n = len(counts)
    rng = np.random.default_rng(seed)
    drawn: list[NDArray[np.float64]] = []
    rows = max(1, _CHUNK // n)
    for k in range(0, resamples, rows):
        some = min(rows, resamples - k)
        picks = rng.integers(n, size=(some, n)) + np.arange(some)[:, None] * n
        times = np.bincount(picks.ravel(), minlength=some * n).reshape(some, n)
        drawn.append(times.astype(np.float64) @ counts)
    return np.concatenate(drawn)


def tallies(
    log_probs: NDArray[np.floating], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sufficient statistics of the figures by group, (G, 49 + 15): figures are of sums of these.

    49 cells of the confusion matrix, row by row the true class; then, by bin of confidence, hits
    less the sum of confidence.
    """
    probs = np.exp(np.asarray(log_probs, np.float64))
    confidence, predicted = probs.max(axis=1), probs.argmax(axis=1)
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    classes = len(EMOTIONS)
    out = np.zeros((int(groups.max()) + 1, classes**2 + ECE_BINS))
    np.add.at(out, (groups, labels * classes + predicted), 1)
    np.add.at(out, (groups, classes**2 + bins), (predicted == labels) - confidence)
    return out


def scores(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """``METRICS`` of sums (R, 49 + 15), each (R,): as ``metrics.figures``, many at a time."""
    classes = len(EMOTIONS)
    tables = counts[:, : classes**2].reshape(-1, classes, classes)
    hits = np.einsum("rcc->rc", tables)
    support, predicted = tables.sum(axis=2), tables.sum(axis=1)
    n = support.sum(axis=1)
    occurs = support > 0
    recall = hits / np.where(occurs, support, 1)
    f1 = 2 * hits / np.where(occurs, support + predicted, 1)
    return {
        "accuracy": hits.sum(axis=1) / n,
        "weighted_f1": (f1 * support).sum(axis=1) / n,
        "macro_f1": (f1 * occurs).sum(axis=1) / occurs.sum(axis=1),
        "unweighted_recall": recall.sum(axis=1) / occurs.sum(axis=1),
        "ece": np.abs(counts[:, classes**2 :]).sum(axis=1) / n,
    }
