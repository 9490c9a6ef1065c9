"""Lines of a server read back as messages: as they were written, or refused as damaged."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import Contribution, EmotionEstimate
from mmer.realtime.serve.lines import event_of
from mmer.realtime.sinks.jsonl import encoded, line_for

PROBS = np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], np.float32)
WHY = {"speech": "silence", "text": "no words"}


def line_of(estimate: EmotionEstimate) -> dict[str, Any]:
    line = line_for(estimate, estimate.t)
    assert line is not None
    found: dict[str, Any] = json.loads(encoded(line))
    return found


def estimate(**keys: Any) -> EmotionEstimate:
    face = Contribution("joy", 1.0, 1.9, 0.25, PROBS)
    given = {"label": EMOTIONS[0], "probs": PROBS, "confidence": 0.4, "modalities": {"face": face}}
    given |= {"t": 2.15, "window": (0.0, 2.15), "why": WHY, "final": False, **keys}
    return EmotionEstimate(**given)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"final": True, "utterance": 3, "revised": True},
        {"provisional": True, "utterance": 3},
        {"person": 0},
        {"label": None, "probs": None, "confidence": None, "modalities": {}},
    ],
    ids=str,
)
def test_an_estimate_is_read_as_it_was_written(keys: dict[str, Any]) -> None:
    written = estimate(**keys)
    read = event_of(line_of(written))
    assert isinstance(read, EmotionEstimate)
    assert line_of(read) == line_of(written)
    assert set(read.modalities) == set(MODALITIES)
    face, given = read.modalities["face"], written.modalities.get("face")
    assert (face is None) == (given is None)
    if face is not None and given is not None:
        assert face.t == pytest.approx(given.t, abs=0.0011)
        assert np.isnan(face.probs).all()


@pytest.mark.parametrize(
    "change",
    [
        {"t": float("nan")}, {"t": "2"}, {"t": True}, {"window": [0.0]}, {"window": [0.0, None]},
        {"probs": {}}, {"confidence": "high"}, {"modalities": []}, {"modalities": {"face": 1}},
        {"utterance": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_estimate_is_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(MmerError, match="damaged emotion line"):
        event_of(line_of(estimate()) | change)


@pytest.mark.parametrize("key", ["t", "window", "label", "probs", "modalities", "why", "final"])
def test_an_estimate_that_lacks_a_key_is_damaged(key: str) -> None:
    line = line_of(estimate())
    del line[key]
    with pytest.raises(MmerError, match="damaged emotion line"):
        event_of(line)
