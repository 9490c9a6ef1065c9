import numpy as np
import pytest

pytest.importorskip("scipy", reason="the reference is SciPy: pip install 'mmer-live[eval]'")

from scipy.stats import binom

from mmer.training.metrics.bootstrap import intervals
from mmer.training.metrics.figures import figures
from mmer.training.metrics.significance import MEASURES, differences, holm, mcnemar, over_folds


def answers(labels: np.ndarray, right: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hit = rng.random(len(labels)) < right
    said = np.where(hit, labels, (labels + rng.integers(1, 7, len(labels))) % 7)
    probs = np.full((len(labels), 7), 0.05)
    probs[np.arange(len(labels)), said] = 0.7
    return np.log(probs)


LABELS = np.random.default_rng(0).integers(7, size=600)
GROUPS = np.arange(600) % 60


def test_mcnemar_by_hand() -> None:
    # 1 against 7 discordant: 2 (C(8,0) + C(8,1)) / 2^8 = 18 / 256
    first = np.array([True] + [False] * 7 + [True] * 20 + [False] * 3)
    second = np.array([False] + [True] * 7 + [True] * 20 + [False] * 3)
    found = mcnemar(first, second)
    assert (found.first, found.second) == (1, 7)
    assert found.p == pytest.approx(18 / 256)
    assert mcnemar(first, first).p == 1.0


def test_mcnemar_of_many_is_the_binomial_tail() -> None:
    first, second = np.zeros(1000, bool), np.zeros(1000, bool)
    first[:130], second[130:330] = True, True
    assert mcnemar(first, second).p == pytest.approx(2 * binom.cdf(130, 330, 0.5))


def test_holm_by_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]


def test_a_planted_difference_is_found_and_an_absent_one_is_not() -> None:
    weak, strong = answers(LABELS, 0.5, 1), answers(LABELS, 0.7, 2)
    found = differences(weak, strong, LABELS, GROUPS, resamples=1000)
    for name in MEASURES:
        d = found[name]
        gap = getattr(figures(strong, LABELS), name) - getattr(figures(weak, LABELS), name)
        assert d.value == pytest.approx(gap)
        assert 0 < d.low < d.value < d.high
        assert d.p == pytest.approx(2 / 1001)
    for d in differences(weak, answers(LABELS, 0.5, 3), LABELS, GROUPS, resamples=1000).values():
        assert d.low < 0 < d.high
        assert d.p > 0.05
    for d in differences(weak, weak, LABELS, GROUPS, resamples=100).values():
        assert (d.value, d.low, d.high, d.p) == (0, 0, 0, 1)


def test_the_same_seed_gives_the_same_and_swapped_models_the_mirror_image() -> None:
    one, other = answers(LABELS, 0.5, 1), answers(LABELS, 0.55, 2)
    there = differences(one, other, LABELS, GROUPS, resamples=500)
    assert there == differences(one, other, LABELS, GROUPS, resamples=500)
    back = differences(other, one, LABELS, GROUPS, resamples=500)
    for name in MEASURES:
        assert back[name].value == pytest.approx(-there[name].value)
        assert back[name].low == pytest.approx(-there[name].high)
        assert back[name].p == there[name].p


def test_few_groups_that_differ_make_it_less_sure() -> None:
    # the second is better in ten groups only, altogether
    one = answers(LABELS, 0.5, 1)
    other = one.copy()
    better = GROUPS < 10
    other[better] = answers(LABELS, 1.0, 2)[better]
    grouped = differences(one, other, LABELS, GROUPS, resamples=1000)["accuracy"]
    single = differences(one, other, LABELS, np.arange(600), resamples=1000)["accuracy"]
    assert grouped.high - grouped.low > 1.5 * (single.high - single.low)


def test_draws_are_those_of_the_single_intervals() -> None:
    # against a model that is right nowhere, the accuracy's difference is the accuracy
    one = answers(LABELS, 0.0, 1)
    other = answers(LABELS, 0.6, 2)
    d = differences(one, other, LABELS, GROUPS, resamples=500)["accuracy"]
    assert (d.low, d.high) == pytest.approx(intervals(other, LABELS, GROUPS, 500)["accuracy"])


def test_folds_by_hand() -> None:
    labels = np.zeros(8, np.int64)
    fold = np.repeat([0, 1], 4)

    def said(*right: bool) -> np.ndarray:
        probs = np.full((8, 7), 0.05)
        probs[np.arange(8), np.where(right, 0, 1)] = 0.7
        return np.log(probs)

    one = said(*[True] * 2, *[False] * 2, *[True] * 4)
    other = said(*[True] * 4, *[True] * 4)
    found = over_folds(one, other, labels, fold)["accuracy"]
    assert found.k == 2
    assert found.first == pytest.approx((0.75, np.sqrt(0.125)))
    assert found.second == (1.0, 0.0)
    assert found.difference == pytest.approx((0.25, np.sqrt(0.125)))
