"""Valence and arousal: expectations over the norms."""

from __future__ import annotations

import numpy as np
import pytest

from mmer.models.affect import NORMS, valence_arousal
from mmer.models.labels import EMOTIONS


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_sure_emotion_has_its_norms(name: str) -> None:
    probs = np.eye(7)[EMOTIONS.index(name)]
    assert valence_arousal(probs) == pytest.approx(NORMS[name])


def test_two_emotions_are_in_the_middle_and_signs_are_as_one_would_say() -> None:
    probs = np.zeros(7)
    probs[[EMOTIONS.index("joy"), EMOTIONS.index("sadness")]] = 0.5
    assert valence_arousal(probs) == pytest.approx((0.065, 0.105))
    assert NORMS["neutral"] == (0.0, 0.0)
    assert [name for name in EMOTIONS if NORMS[name][0] > 0] == ["joy", "surprise"]
    assert [name for name in EMOTIONS if NORMS[name][1] < 0] == ["sadness"]
