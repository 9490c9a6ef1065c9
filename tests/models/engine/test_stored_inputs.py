"""Stored inputs: the same everywhere, of the shapes and types that networks take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.shapes import Lengths, Span, lengths_of, span
from mmer.models.engine.stored_inputs import from_file, stored_inputs
from mmer.models.errors import MmerError


@pytest.mark.parametrize("name", ["speech", "text", "face"])
def test_networks_take_them_and_they_differ(name: str) -> None:
    card = load_card(weights_dir() / f"{name}.json")

    first, again = (stored_inputs(card, weights_dir()) for _ in range(2))

    assert len(first) >= 60
    for one, other in zip(first, again, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    engine = OnnxRuntimeEngine(weights_dir() / card.file)
    logits = np.concatenate([engine.run(row)["logits"] for row in first])
    assert np.isfinite(logits).all()
    assert len(set(logits.argmax(1))) >= 3  # they do not all look the same to the network


def test_they_lie_within_the_lengths_that_a_card_says() -> None:
    for name, key in (("speech", "features"), ("text", "tokens")):
        card = load_card(weights_dir() / f"{name}.json")
        lengths = lengths_of(name, card.preprocessing)
        assert lengths is not None
        found = [row[key].shape[1] for row in stored_inputs(card, weights_dir())]
        assert lengths.least <= min(found) < max(found) <= lengths.most


def test_lengths_of_the_shipped_cards() -> None:
    speech, text = (load_card(weights_dir() / f"{n}.json") for n in ("speech", "text"))

    assert lengths_of("speech", speech.preprocessing) == Lengths(48, 323, 598)
    assert lengths_of("text", {**text.preprocessing, "max_tokens": 64}) == Lengths(3, 33, 64)
    assert lengths_of("face", {"size": 48}) is None
    assert lengths_of("speech", {"min_s": 0.5}) is None


def test_spans() -> None:
    assert span("image", ["n", 1, 48, 48], None) == Span(
        (1, 1, 48, 48), (1, 1, 48, 48), (8, 1, 48, 48)
    )
    assert span("features", (-1, -1, 64), Lengths(2, 5, 9)) == Span(
        (1, 2, 64), (1, 5, 64), (8, 9, 64)
    )
    with pytest.raises(MmerError, match="does not say how long"):
        span("features", ["n", "t", 64], None)


def test_other_networks_have_none() -> None:
    card = load_card(weights_dir() / "fusion.json")
    with pytest.raises(MmerError, match="no inputs are stored"):
        stored_inputs(card, weights_dir())
    speech = load_card(weights_dir() / "speech.json")
    own = replace(speech, preprocessing={**speech.preprocessing, "input": {}})
    with pytest.raises(MmerError, match="--inputs"):
        stored_inputs(own, weights_dir())


def test_inputs_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **{"a.0": [[1.0]], "b.0": [[2.0]], "a.1": [[3.0]], "b.1": [[4.0]]})

    found = from_file(path, ("a", "b"))

    assert [{k: v.tolist() for k, v in row.items()} for row in found] == [
        {"a": [[1.0]], "b": [[2.0]]},
        {"a": [[3.0]], "b": [[4.0]]},
    ]
    with pytest.raises(MmerError, match=r"expected arrays a\.0, a\.1"):
        from_file(path, ("a",))
    path.write_bytes(b"no archive")
    with pytest.raises(MmerError, match="cannot read the inputs"):
        from_file(path, ("a",))
    with path.open("wb") as file:
        np.save(file, np.arange(3))  # a single array
    with pytest.raises(MmerError, match="cannot read the inputs"):
        from_file(path, ("a",))
