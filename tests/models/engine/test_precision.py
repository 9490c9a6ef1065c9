"""Networks brought to other precisions answer nearly as they did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'mmer-live[test]'")

import onnx
import tiny_onnx
from tiny_onnx import features

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.encoder import preparation_of
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.precision import dequantized, float16, int8, is_quantized, load
from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import examples


def opened(model: onnx.ModelProto, folder: Path) -> OnnxRuntimeEngine:
    onnx.save(model, folder / "made.onnx")
    return OnnxRuntimeEngine(folder / "made.onnx")


def test_float16_computes_products_in_halves_and_sums_in_whole(
    network: Path, tmp_path: Path
) -> None:
    made = float16(load(network))

    halves = {t.name for t in made.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    assert {"w", "u"} <= halves
    assert "little" in halves or "two" not in halves
    assert [i.type.tensor_type.elem_type for i in made.graph.input] == [onnx.TensorProto.FLOAT]
    mine, theirs = (
        opened(made, tmp_path).run(features(3)),
        OnnxRuntimeEngine(network).run(features(3)),
    )
    assert mine["logits"].dtype == np.float32
    np.testing.assert_allclose(mine["logits"], theirs["logits"], atol=2e-2)


@pytest.mark.parametrize("name", ["speech", "text", "face"])
def test_the_shipped_networks_in_float16(name: str, tmp_path: Path) -> None:
    path = weights_dir() / f"{name}.onnx"
    model = load(path)
    whole = dequantized(model) if is_quantized(model) else model
    made, reference = opened(float16(whole), tmp_path), OnnxRuntimeEngine(path)
    preparation = preparation_of(load_card(path.with_suffix(".json")), weights_dir())

    gaps = [
        np.abs(made.run(row)["logits"] - reference.run(row)["logits"]).max()
        for row in examples(preparation, reference.inputs, 4)
    ]

    assert max(gaps) < (0.03 if name == "face" else 0.25)  # 8-bit activations


@pytest.mark.parametrize("symmetric", [True, False])
def test_int8_marks_what_is_quantized(network: Path, tmp_path: Path, symmetric: bool) -> None:
    made = int8(load(network), [features(4, 5, seed) for seed in range(20)], symmetric)

    stored = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    quantizers = [n for n in made.graph.node if n.op_type == "QuantizeLinear"]
    assert len(quantizers) >= 2
    zero_points = [stored[n.input[2]] for n in quantizers if n.input[2] in stored]
    if symmetric:
        assert all(z.dtype == np.int8 and not z.any() for z in zero_points)
    else:
        assert all(z.dtype == np.uint8 for z in zero_points)
        assert max(np.abs(a).max() for a in stored.values() if a.dtype == np.int8) <= 64
    theirs = OnnxRuntimeEngine(network).run(features(3))["logits"]
    np.testing.assert_allclose(opened(made, tmp_path).run(features(3))["logits"], theirs, atol=0.5)


def test_int8_needs_something_to_calibrate_by(network: Path) -> None:
    with pytest.raises(MmerError, match="needs inputs to calibrate by"):
        int8(load(network), [], symmetric=False)


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_dequantized_network_has_the_quantized_ones_weights(
    tmp_path: Path, per_channel: bool
) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole, path = tiny_onnx.words(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    quantize_dynamic(
        whole,
        path,
        op_types_to_quantize=["MatMul"],
        per_channel=per_channel,
        weight_type=QuantType.QInt8 if per_channel else QuantType.QUInt8,
    )
    model = load(path)
    assert is_quantized(model)
    assert not is_quantized(load(whole))

    made = dequantized(model)

    assert {"DynamicQuantizeLinear", "MatMulInteger"}.isdisjoint(n.op_type for n in made.graph.node)
    tokens = {"tokens": np.arange(10).reshape(2, 5)}
    truth = OnnxRuntimeEngine(whole).run(tokens)["logits"]
    ours = opened(made, tmp_path).run(tokens)["logits"]
    theirs = OnnxRuntimeEngine(path).run(tokens)["logits"]
    np.testing.assert_allclose(ours, truth, atol=0.1)
    assert np.abs(ours - truth).mean() <= np.abs(theirs - truth).mean()
    assert is_quantized(model)  # it was not altered


def test_integers_multiplied_in_another_way_are_refused(tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    path = tmp_path / "int8.onnx"
    quantize_dynamic(tiny_onnx.words(tmp_path / "f.onnx"), path, op_types_to_quantize=["MatMul"])
    model = load(path)
    for node in model.graph.node:
        if node.op_type == "MatMulInteger":
            node.op_type = "ConvInteger"

    with pytest.raises(MmerError, match="in a way that mmer-train did not write"):
        dequantized(model)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no network")

    with pytest.raises(MmerError, match="cannot read the model"):
        load(path)
