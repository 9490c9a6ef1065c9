"""The reliability plot shows the bins of the calibration error that is printed in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'mmer-live[train]'")

from mmer.training.evaluation.plots import reliability_figure
from mmer.training.metrics.bootstrap import scores, tallies
from mmer.training.metrics.figures import ECE_BINS, figures, log_softmax


def test_the_plot_and_the_bootstrap_have_the_bins_of_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(7, size=400)
    log_probs = log_softmax(rng.normal(0, 1, (400, 7)) + 1.5 * np.eye(7)[labels])
    found = figures(log_probs, labels)
    e: Any = SimpleNamespace(log_probs=log_probs, labels=labels, figures=found, about={})
    reliability, counts = reliability_figure(e).axes

    heights = np.array([cast("Any", bar).get_height() for bar in counts.patches])
    assert len(heights) == ECE_BINS
    (answers,) = (line for line in reliability.lines if line.get_marker() == "o")
    confidence, right = (np.asarray(values) for values in answers.get_data())
    gaps = heights[heights > 0] * np.abs(confidence - right) / len(labels)
    assert gaps.sum() == pytest.approx(found.ece)
    assert f"{100 * found.ece:.1f} %" in str(answers.get_label())

    sums = tallies(log_probs, labels, np.zeros(400, np.int64))
    assert float(scores(sums)["ece"][0]) == pytest.approx(found.ece)
