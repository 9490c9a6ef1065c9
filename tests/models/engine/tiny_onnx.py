"""Networks of a few numbers, in the shapes of ours: of a sound, and of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'mmer-live[test]'")

import onnx
from onnx import TensorProto, helper, numpy_helper

from mmer.models.engine import Lengths

LENGTHS = Lengths(2, 5, 9)
"""Of both networks' second axis."""


def _save(nodes: list[onnx.NodeProto], inputs: list, stored: dict, path: Path) -> Path:
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 7]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 5]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


def sound(path: Path, seed: int = 0) -> Path:
    """``features`` (n, t, 4): products, a mean and a spread over time, products."""
    random = np.random.default_rng(seed)
    node = helper.make_node
    nodes = [
        node("MatMul", ["features", "w"], ["inside"], name="first"),
        node("Relu", ["inside"], ["positive"]),
        node("Pow", ["positive", "two"], ["squares"]),
        node("ReduceMean", ["squares", "time"], ["power"], keepdims=0),
        node("Add", ["power", "little"], ["above"]),
        node("Sqrt", ["above"], ["embedding"]),
        node("Gemm", ["embedding", "u", "b"], ["logits"], name="last"),
    ]
    stored = {
        "w": random.normal(size=(4, 5)).astype(np.float32),
        "u": random.normal(size=(5, 7)).astype(np.float32),
        "b": random.normal(size=7).astype(np.float32),
        "two": np.float32(2),
        "little": np.float32(1e-3),
        "time": np.array([1]),
    }
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", "t", 4])
    return _save(nodes, [features], stored, path)


def words(path: Path) -> Path:
    """``tokens`` int64 (n, t): rows looked up, a product, their mean over time, a product."""
    random = np.random.default_rng(1)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "tokens"], ["rows"]),
        node("MatMul", ["rows", "w"], ["inside"], name="first"),
        node("ReduceMean", ["inside", "time"], ["embedding"], keepdims=0),
        node("MatMul", ["embedding", "u"], ["logits"], name="last"),
    ]
    stored = {
        "table": random.normal(size=(11, 6)).astype(np.float32),
        "w": random.normal(size=(6, 5)).astype(np.float32),
        "u": random.normal(size=(5, 7)).astype(np.float32),
        "time": np.array([1]),
    }
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", "t"])
    return _save(nodes, [tokens], stored, path)


def features(rows: int = 1, frames: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of ``sound``."""
    random = np.random.default_rng(seed)
    return {"features": random.normal(size=(rows, frames, 4)).astype(np.float32)}
