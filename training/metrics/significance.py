"""Significance of the difference of two models: paired tests on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.training.metrics.bootstrap import resampled, scores, tallies
from mmer.training.metrics.figures import figures

MEASURES: Final = ("weighted_f1", "macro_f1", "accuracy", "unweighted_recall")
"""Figures compared."""


@dataclass(frozen=True)
class McNemar:
    """Items that ``first`` alone or ``second`` alone has right, and the exact two-sided p."""

    first: int
    second: int
    p: float


@dataclass(frozen=True)
class Difference:
    """Second less first, its 95 % interval, and the two-sided p of there being none."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Folds:
    """Mean and standard deviation over k folds: of the first, of the second, of the difference."""

    k: int
    first: tuple[float, float]
    second: tuple[float, float]
    difference: tuple[float, float]


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """McNemar's test (1947), exact, by the binomial distribution.

    It assumes independent items, which utterances of one speaker are not: prefer the bootstrap over
    speakers or dialogues.
    """
    from scipy.stats import binomtest

    first = int((first_right & ~second_right).sum())
    second = int((second_right & ~first_right).sum())
    p = float(binomtest(first, first + second).pvalue) if first + second else 1.0
    return McNemar(first, second, p)


def differences(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Difference of each of ``MEASURES``: paired bootstrap over whole groups.

    p is twice the share of draws on the rarer side of 0, so it is below 0.05 where the percentile
    interval leaves 0 out (Efron & Tibshirani 1993, chapter 16); no less than 2 / (resamples + 1).

    Args:
        first: log-probabilities (N, 7).
        second: those of the other model of the same items.
        labels: class indices (N,).
        groups: the group of each item (N,), from 0 on, none missing.
        resamples: number of draws.
        seed: of the draws.
    """
    counts = [tallies(p, labels, groups) for p in (first, second)]
    drawn = resampled(np.concatenate(counts, axis=1), resamples, seed)
    ones, others = (scores(half) for half in np.split(drawn, 2, axis=1))
    one, other = (scores(c.sum(axis=0)[None]) for c in counts)
    found = {}
    for name in MEASURES:
        gaps = others[name] - ones[name]
        low, high = np.percentile(gaps, [2.5, 97.5])
        rarer = min((gaps <= 1e-12).sum(), (gaps >= -1e-12).sum())
        p = min(1.0, 2 * (1 + rarer) / (1 + resamples))
        value = float(other[name][0] - one[name][0])
        found[name] = Difference(value, float(low), float(high), float(p))
    return found


def over_folds(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    labels: NDArray[np.int64],
    fold: NDArray[np.int64],
) -> dict[str, Folds]:
    """Each of ``MEASURES`` over two folds or more; ``fold`` (N,) has the number of each item's."""
    numbers = np.unique(fold)
    per_fold = [
        [figures(p[fold == k], labels[fold == k]) for k in numbers] for p in (first, second)
    ]
    found = {}
    for name in MEASURES:
        one, other = (np.array([getattr(f, name) for f in each]) for each in per_fold)
        spread = [(float(x.mean()), float(x.std(ddof=1))) for x in (one, other, other - one)]
        found[name] = Folds(len(numbers), *spread)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, corrected for the family-wise error rate.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, k in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[k]))
        corrected[k] = highest
    return corrected
