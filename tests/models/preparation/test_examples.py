"""Made-up signals and lengths of every preparation: what engines are compared on and built for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import preparation as small

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.encoder import preparation_of
from mmer.models.engine.inputs_file import from_file
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.shapes import Span, span
from mmer.models.errors import MmerError
from mmer.models.preparation.descriptors import Descriptors
from mmer.models.preparation.egemaps import Egemaps
from mmer.models.preparation.frames import FaceCrops, WholeFrames
from mmer.models.preparation.logmel_frames import LogMelFrames, LogMelSegment
from mmer.models.preparation.mfcc import Mfcc
from mmer.models.preparation.opening import PREPARATIONS
from mmer.models.preparation.preparation import Lengths, Preparation, examples
from mmer.models.preparation.waveform import Waveform


def made(kind: str) -> Preparation[Any]:
    shipped = {"whisper-log-mel": "speech", "dialogue-tokens": "text", "grey-face": "face"}
    if kind in shipped:
        return preparation_of(load_card(weights_dir() / f"{shipped[kind]}.json"), weights_dir())
    if kind == "text-tokens":
        return small("text")
    if kind == "egemaps":
        pytest.importorskip("opensmile")
    if kind == "descriptors":
        pytest.importorskip("librosa")
    sounds = (Waveform, Mfcc, LogMelFrames, LogMelSegment, Descriptors, Egemaps)
    classes = (*sounds, WholeFrames, FaceCrops)
    return {c.kind: c for c in classes}[kind]()


@pytest.mark.parametrize("kind", PREPARATIONS)
def test_every_preparation_has_examples_within_its_lengths(kind: str) -> None:
    preparation = made(kind)
    names = (*preparation.names, "mask")
    first, again = (examples(preparation, names, 6) for _ in range(2))
    lengths = preparation.lengths() or Lengths(1, 1, 1)
    assert 1 <= lengths.least <= lengths.usual <= lengths.most
    for one, other in zip(first, again, strict=True):
        assert tuple(one) == names
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
        assert lengths.least <= one["mask"].shape[1] <= lengths.most
    assert len({one[names[0]].tobytes() for one in first}) > 1


@pytest.mark.parametrize("name", ["speech", "text", "face"])
def test_to_the_shipped_networks_they_do_not_all_look_the_same(name: str) -> None:
    card = load_card(weights_dir() / f"{name}.json")
    engine = OnnxRuntimeEngine(weights_dir() / card.file)
    rows = examples(preparation_of(card, weights_dir()), engine.inputs, 64)
    logits = np.concatenate([engine.run(row)["logits"] for row in rows])
    assert np.isfinite(logits).all()
    assert len(set(logits.argmax(1))) >= 3


def test_lengths_of_the_shipped_cards() -> None:
    assert made("whisper-log-mel").lengths() == Lengths(50, 225, 400)
    assert made("dialogue-tokens").lengths() == Lengths(3, 65, 128)
    assert made("grey-face").lengths() is None


def test_spans() -> None:
    assert span("image", ["n", 1, 48, 48], None) == Span(
        (1, 1, 48, 48), (1, 1, 48, 48), (8, 1, 48, 48)
    )
    assert span("features", (-1, -1, 64), Lengths(2, 5, 9)) == Span(
        (1, 2, 64), (1, 5, 64), (8, 9, 64)
    )
    with pytest.raises(MmerError, match="does not say how long"):
        span("features", ["n", "t", 64], None)


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
