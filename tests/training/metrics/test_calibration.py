"""Temperatures of the half that is not evaluated; thresholds that the curve justifies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmer.models.cards.card import Coverage
from mmer.training.metrics.calibration import (
    THRESHOLDS,
    calibration_error_by_chance,
    choose_threshold,
    coverage_curve,
    cross_fitted,
    halves,
)
from mmer.training.metrics.figures import expected_calibration_error, log_softmax


def drawn(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels that are as likely as the logits say."""
    probs = np.exp(log_softmax(logits))
    return (probs.cumsum(axis=1) > rng.random((len(probs), 1))).argmax(axis=1)


def test_halves_part_groups_and_are_of_about_one_size() -> None:
    rng = np.random.default_rng(3)
    groups = [f"meld/dev/{k}" for k in rng.integers(0, 60, 1000)]
    first = halves(groups)
    one, other = ({g for g, f in zip(groups, first, strict=True) if f == w} for w in (True, False))
    assert not one & other
    assert 480 <= first.sum() <= 520
    assert (halves(groups) == first).all()
    assert halves(["a"] * 30 + ["b"] * 10 + ["c"] * 11 + ["d"] * 9).sum() == 30


def test_a_single_group_is_halved_by_item() -> None:
    assert halves(["ravdess/17"] * 11).sum() in (5, 6)


def test_each_half_is_evaluated_by_the_temperature_of_the_other() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 7))
    labels = drawn(logits, rng)
    groups = [f"s/{k % 4}" for k in range(4000)]
    first = halves(groups)
    overconfident = np.where(first[:, None], 3 * logits, logits)
    (scaled,) = cross_fitted([overconfident], labels, groups, 1)
    # the second half needs 1 and gets the first's 3; the first needs 3 and gets 1
    for half, factor in ((~first, 1 / 3), (first, 3.0)):
        wanted = log_softmax(logits[half] * factor)
        assert np.abs(np.exp(scaled[half]) - np.exp(wanted)).max() < 0.05


def test_one_temperature_serves_all_states() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (6000, 7))
    labels = drawn(logits, rng)
    groups = [str(k) for k in range(6000)]
    clean, noisy = cross_fitted([2 * logits, 2 * logits], labels, groups, 2)
    assert (clean == noisy).all()
    assert expected_calibration_error(clean, labels) < 0.03
    assert expected_calibration_error(log_softmax(2 * logits), labels) > 0.1


def test_a_state_that_is_not_fitted_to_does_not_move_the_temperature() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (6000, 7))
    labels = drawn(logits, rng)
    groups = [str(k) for k in range(6000)]
    alone, _ = cross_fitted([2 * logits, 9 * logits], labels, groups, 1)
    both, _ = cross_fitted([2 * logits, 9 * logits], labels, groups, 2)
    assert expected_calibration_error(alone, labels) < 0.03
    assert expected_calibration_error(both, labels) > 0.06


def test_few_items_show_an_error_by_chance_and_many_do_not() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (5000, 7))
    log_probs = log_softmax(logits)
    labels = drawn(logits, rng)
    many = calibration_error_by_chance(log_probs)
    assert expected_calibration_error(log_probs, labels) == pytest.approx(many, abs=0.01)
    assert calibration_error_by_chance(log_probs[:100]) > 4 * many


def test_the_curve_counts_what_is_kept_and_what_is_withheld() -> None:
    confidence = np.array([0.95, 0.85, 0.55, 0.35, 0.25])
    probs = np.full((5, 7), 0.0)
    probs[:, 1:] = ((1 - confidence) / 6)[:, None]
    probs[:, 0] = confidence
    labels = np.array([0, 0, 3, 0, 2])
    curve = {c.threshold: c for c in coverage_curve(np.log(probs), labels)}
    assert tuple(curve) == THRESHOLDS
    assert curve[0.0] == Coverage(0.0, 1.0, 0.6, None)
    assert curve[0.3] == Coverage(0.3, 0.8, 0.75, 0.0)
    assert curve[0.6] == Coverage(0.6, 0.4, 1.0, 0.3333)
    assert curve[0.9] == Coverage(0.9, 0.2, 1.0, 0.5)
    # below 0.6 a third is right, below 0.9 a half
    assert choose_threshold(tuple(curve.values())) == 0.8
    higher = [replace(c, withheld_accuracy=c.withheld_accuracy and 0.34) for c in curve.values()]
    assert choose_threshold(higher) == 0.3


def test_nothing_kept_has_no_accuracy() -> None:
    last = coverage_curve(np.log(np.full((3, 7), 1 / 7)), np.array([0, 1, 2]))[-1]
    assert (last.coverage, last.accuracy) == (0.0, None)
