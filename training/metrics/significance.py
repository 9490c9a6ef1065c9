"""Is one model better than another, or was it luck? Paired tests on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.training.metrics.bootstrap import resampled, scores, tallies
from mmer.training.metrics.figures import figures

MEASURES: Final = ("weighted_f1", "macro_f1", "accuracy", "unweighted_recall")
"""What is compared."""


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
    """McNemar 1947, by the binomial distribution itself, which few discordant pairs ask for.

    It takes items for independent, which utterances of one speaker are not: believe the bootstrap
    over speakers or dialogues first.
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
    """Each of ``MEASURES``: whole groups are drawn, and both models are judged by the same draw.

    p is twice the share of draws on the rarer side of 0, so it is below 0.05 where the percentile
    interval leaves 0 out (Efron & Tibshirani 1993, chapter 16); no less than 2 / (resamples + 1).

    Args:
        first: log-probabilities (N, 7).
        second: those of the other model of the same items.
        labels: class indices (N,).
        groups: the group of each item (N,), from 0 on, each there.
        resamples: how often they are drawn.
        seed: of the draws.
    """
    counts = [tallies(said, labels, groups) for said in (first, second)]
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
    judged = [
        [figures(said[fold == k], labels[fold == k]) for k in numbers] for said in (first, second)
    ]
    found = {}
    for name in MEASURES:
        one, other = (np.array([getattr(f, name) for f in each]) for each in judged)
        spread = [(float(x.mean()), float(x.std(ddof=1))) for x in (one, other, other - one)]
        found[name] = Folds(len(numbers), *spread)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests, each corrected so that one false alarm stays that rare.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, k in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[k]))
        corrected[k] = highest
    return corrected
