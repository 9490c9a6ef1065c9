import numpy as np
import pytest

from mmer.models.prediction import Prediction


def test_logits_become_log_probabilities_that_sum_to_one() -> None:
    logits = np.array([1, 2, 3, 4, 5, 6, 700], np.float32)
    prediction = Prediction.from_logits(logits, 1.0, None)
    assert prediction.log_probs.dtype == np.float32
    assert prediction.probs.sum() == pytest.approx(1)
    assert prediction.label == "surprise"
    assert np.isfinite(prediction.log_probs).all()


def test_a_higher_temperature_is_less_sure_and_keeps_the_order() -> None:
    logits = np.array([3, 0, 1, -2, 0.5, 0, 2], np.float32)
    sharp = Prediction.from_logits(logits, 0.5, None)
    flat = Prediction.from_logits(logits, 5.0, None)
    assert sharp.probs.max() > flat.probs.max()
    assert (sharp.log_probs.argsort() == flat.log_probs.argsort()).all()


def test_unknown_prefers_nothing() -> None:
    prediction = Prediction.unknown()
    assert prediction.probs == pytest.approx(np.full(7, 1 / 7))
    assert prediction.embedding is None
    assert prediction.usable == 0


def test_usable_is_what_the_model_says() -> None:
    assert Prediction.from_logits(np.zeros(7, np.float32), 1.0, None).usable == 1
    assert Prediction.from_logits(np.zeros(7, np.float32), 1.0, None, 0.25).usable == 0.25
