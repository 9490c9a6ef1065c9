"""Weights stored in float16, on a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="float16 weights need onnx: pip install 'mmer-live[train]'")

import onnx
from onnx import TensorProto, helper, numpy_helper

from mmer.models.engine import open_engine
from mmer.models.engine.precision import in_floats
from mmer.training.export.half import store_in_float16


def network(path: Path) -> None:
    """A convolution with a bias, pooled."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 0.1, (32, 8, 3, 3)).astype(np.float32)
    weight[0, 0, 0, 0] = 1e6  # beyond float16
    stored = [
        numpy_helper.from_array(weight, "weight"),
        numpy_helper.from_array(rng.normal(0, 1, 32).astype(np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "weight", "bias"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 8, 6, 6])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 32, 1, 1])
    graph = helper.make_graph(nodes, "small", [image], [logits], stored)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    network(tmp_path / "a.onnx")
    store_in_float16(tmp_path / "a.onnx", tmp_path / "b.onnx")
    return tmp_path / "b.onnx"


def test_it_is_half_as_large_and_answers_almost_as_before(stored: Path) -> None:
    before = stored.with_name("a.onnx")
    assert stored.stat().st_size < 0.6 * before.stat().st_size
    image = np.random.default_rng(1).normal(0, 1, (3, 8, 6, 6)).astype(np.float32)
    image[:, 0] = 0  # what meets the weight that was cut
    ours, theirs = (open_engine(p, "cpu").run({"image": image})["logits"] for p in (stored, before))
    assert 0 < np.abs(ours - theirs).max() < 1e-3


def test_small_tensors_stay_and_large_values_are_cut(stored: Path) -> None:
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(stored).graph.initializer}
    assert tensors["bias"].dtype == np.float32
    assert tensors["weight_float16"].dtype == np.float16
    assert tensors["weight_float16"].max() == np.finfo(np.float16).max


def test_an_engine_of_its_own_types_sees_float32_alone(stored: Path) -> None:
    model = in_floats(stored)
    assert all(t.data_type == TensorProto.FLOAT for t in model.graph.initializer)
    assert [node.op_type for node in model.graph.node] == ["Conv", "GlobalAveragePool"]
    onnx.checker.check_model(model)
