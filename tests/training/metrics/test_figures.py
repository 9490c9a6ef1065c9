"""Our figures against scikit-learn's."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install 'mmer-live[eval]'")

from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, recall_score

from mmer.models.labels import EMOTIONS
from mmer.training.metrics.figures import (
    class_recall,
    confusion,
    expected_calibration_error,
    figures,
    fit_temperature,
    log_softmax,
)


def random_case(seed: int, n: int = 400, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right about half of the time, and labels of some ``classes`` of the seven.

    The logits may say any of the seven.
    """
    rng = np.random.default_rng(seed)
    some = rng.choice(7, classes, replace=False)
    labels = rng.choice(some, n, p=rng.dirichlet(np.ones(classes)))
    logits = rng.normal(0, 1, (n, 7))
    logits[np.arange(n), labels] += 1.5
    return logits, labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [7, 4, 1])
def test_figures_are_scikit_learns(seed: int, classes: int) -> None:
    logits, labels = random_case(seed, classes=classes)
    predicted = logits.argmax(axis=1)
    seen = sorted(set(labels))
    ours = figures(log_softmax(logits), labels)
    assert ours.n == len(labels)
    assert ours.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert ours.floor_accuracy == pytest.approx(np.bincount(labels).max() / len(labels))
    averages = {"weighted": ours.weighted_f1, "macro": ours.macro_f1}
    for average, value in averages.items():
        theirs = f1_score(labels, predicted, labels=seen, average=average, zero_division=0)
        assert value == pytest.approx(theirs)
    theirs = recall_score(labels, predicted, labels=seen, average="macro", zero_division=0)
    assert ours.unweighted_recall == pytest.approx(theirs)
    table = confusion_matrix(labels, predicted, labels=range(7))
    assert (confusion(labels, predicted) == table).all()
    theirs = recall_score(labels, predicted, labels=seen, average=None, zero_division=0)
    assert class_recall(table) == pytest.approx(
        {EMOTIONS[k]: recall for k, recall in zip(seen, theirs, strict=True)}
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bins", [15, 10])
def test_calibration_error_is_the_weighted_gap_of_scikit_learns_curve(seed: int, bins: int) -> None:
    logits, labels = random_case(seed)
    log_probs = log_softmax(2 * logits)
    confidence = np.exp(log_probs).max(axis=1)
    right = log_probs.argmax(axis=1) == labels
    accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=bins)
    counts, _ = np.histogram(confidence, bins, (0, 1))
    share = counts[counts > 0] / len(labels)
    ours = expected_calibration_error(log_probs, labels, bins)
    assert ours == pytest.approx((share * np.abs(accuracy - mean_confidence)).sum())
    assert ours > 0.02


def test_log_softmax_survives_large_logits() -> None:
    out = log_softmax(np.array([[1000.0, 0, 0, 0, 0, 0, -1000.0]]))
    assert np.isfinite(out).all()
    assert np.exp(out).sum() == pytest.approx(1)


def test_calibration_error_of_the_sure_and_right_is_nought() -> None:
    log_probs = np.log(np.eye(7)[[0, 1, 2]] * 0.999 + 1e-4)
    assert expected_calibration_error(log_probs, np.array([0, 1, 2])) < 0.01
    assert expected_calibration_error(log_probs, np.array([1, 2, 0])) > 0.9


def test_calibration_error_of_a_known_gap() -> None:
    log_probs = np.log(np.tile([0.7, 0.3, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9], (10, 1)))
    labels = np.array([0] * 5 + [1] * 5)  # sure to 0.7, right in 0.5
    assert expected_calibration_error(log_probs, labels) == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_scale(factor: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 7))
    probs = np.exp(log_softmax(logits))
    labels = (probs.cumsum(axis=1) > rng.random((len(probs), 1))).argmax(axis=1)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.05)


def test_no_temperature_is_likelier() -> None:
    logits, labels = random_case(3)
    best = fit_temperature(logits, labels)

    def loss(t: float) -> float:
        return float(log_loss(labels, np.exp(log_softmax(logits / t)), labels=range(7)))

    assert loss(best) <= min(loss(best * 0.95), loss(best * 1.05))
