"""Every shipped network opens, is the one on its card, and says what it said when it was stored."""

from __future__ import annotations

import json

import pytest
from stored_predictions import STORED, predictions, shipped

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.checksum import sha256_of
from mmer.models.labels import MODALITIES

AGAIN = "after new weights run `python tests/models/stored_predictions.py`"


def test_every_modality_is_shipped() -> None:
    assert set(MODALITIES) <= set(shipped())


@pytest.mark.parametrize("name", shipped())
def test_two_stored_predictions_are_reproduced(name: str) -> None:
    card = load_card(weights_dir() / f"{name}.json")
    assert sha256_of(weights_dir() / card.file) == card.sha256
    stored = json.loads(STORED.read_text(encoding="utf-8")).get(name, {})
    assert stored.get("sha256") == card.sha256, AGAIN
    # 8-bit activations round to either side where another processor's sums differ in a last bit
    tolerance = 1e-3 if card.precision == "float32" else 1e-2
    ours = predictions(name)
    assert len(ours) == len(stored["predictions"]) == 2
    for now, then in zip(ours, stored["predictions"], strict=True):
        assert now == {key: pytest.approx(value, abs=tolerance) for key, value in then.items()}
    assert ours[0] != ours[1]
