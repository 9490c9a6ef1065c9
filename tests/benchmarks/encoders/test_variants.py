"""A network in precisions that it is not shipped in."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmer.benchmarks.encoders import variants
from mmer.benchmarks.encoders.subjects import subjects
from mmer.models.cards.card import weights_dir
from mmer.models.engine import open_engine
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES

pytestmark = pytest.mark.skipif(
    not all((weights_dir() / f"{name}.onnx").exists() for name in MODALITIES),
    reason="a network is missing in models/weights",
)


@pytest.mark.slow
def test_words_are_shipped_in_int8_and_multiplied_out(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (text,) = subjects(None, ["text"])
    found = variants.make_variants(text, tmp_path)
    assert (list(found.files), found.shipped) == (["fp32", "fp16", "int8"], "int8")
    assert found.files["int8"] == text.path
    sizes = {name: path.stat().st_size for name, path in found.files.items()}
    assert sizes["fp32"] > sizes["fp16"] > sizes["int8"]
    for path in found.files.values():
        assert open_engine(path, "cpu").run(text.batch(2))["logits"].shape == (2, 7)


def test_without_onnx_there_is_what_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> object:
        raise MmerError("it takes onnx")

    monkeypatch.setattr(variants, "load", refuse)
    (face,) = subjects(None, ["face"])
    found = variants.make_variants(face, tmp_path)
    assert found.files == {"fp32": face.path}
    assert found.missing == {"fp16": "it takes onnx", "int8": "it takes onnx"}


def test_the_fusion_stays_as_it_is(tmp_path: Path) -> None:
    (fusion,) = subjects(None, ["fusion"])
    found = variants.make_variants(fusion, tmp_path)
    assert found.files == {"fp32": fusion.path}
    assert found.missing == {}
