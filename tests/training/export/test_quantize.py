"""What int8 does to each kind of weight, on a small network that has them all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="int8 needs onnx: pip install 'mmer-live[train]'")

import onnx
from onnx import TensorProto, helper, numpy_helper

from mmer.models.engine import open_engine
from mmer.models.errors import MmerError
from mmer.training.export.quantize import quantize

WORDS, WIDTH, WIDE = 400, 256, 512


def network(path: Path, words: int, width: int, wide: int) -> None:
    """Embedding, widening product, ReLU, narrowing product, a head of 7 as Gemm."""
    rng = np.random.default_rng(0)
    shapes = {"table": (words, width), "up": (width, wide), "down": (wide, width)}
    weights = {name: rng.normal(0, 1 / np.sqrt(s[0]), s) for name, s in shapes.items()}
    weights["table"] *= rng.uniform(0.01, 10, (words, 1))  # rows of very different size
    weights["head"] = rng.normal(0, 1, (7, width))
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["words"], name="lookup"),
        helper.make_node("MatMul", ["words", "up"], ["raised"], name="widen"),
        helper.make_node("Relu", ["raised"], ["kept"], name="relu"),
        helper.make_node("MatMul", ["kept", "down"], ["lowered"], name="narrow"),
        helper.make_node("Gemm", ["lowered", "head"], ["logits"], name="last", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 7])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def test_every_matrix_is_int8_and_the_large_widening_one_is_multiplied_in_integers(
    tmp_path: Path,
) -> None:
    network(tmp_path / "a.onnx", WORDS, WIDTH, WIDE)
    quantize(tmp_path / "a.onnx", tmp_path / "b.onnx")
    graph = onnx.load(tmp_path / "b.onnx").graph
    matrices = {
        tuple(t.dims): t.data_type
        for t in graph.initializer
        if len(t.dims) == 2 and 1 not in t.dims
    }
    shapes = {(WORDS, WIDTH), (WIDTH, WIDE), (WIDE, WIDTH), (WIDTH, 7)}
    assert matrices == dict.fromkeys(shapes, TensorProto.INT8)
    integer = [node for node in graph.node if node.op_type == "MatMulInteger"]
    assert len(integer) == 1
    assert integer[0].input[1].startswith("up")
    sizes = [(tmp_path / f).stat().st_size for f in ("a.onnx", "b.onnx")]
    assert sizes[1] < 0.3 * sizes[0]


def test_narrowing_products_may_be_in_integers_too(tmp_path: Path) -> None:
    network(tmp_path / "a.onnx", WORDS, WIDTH, WIDE)
    quantize(tmp_path / "a.onnx", tmp_path / "b.onnx", narrow_in_float=False)
    nodes = onnx.load(tmp_path / "b.onnx").graph.node
    integer = [node.input[1] for node in nodes if node.op_type == "MatMulInteger"]
    assert [name.split("_")[0] for name in integer] == ["up", "down"]


def test_the_first_large_products_may_stay_in_float(tmp_path: Path) -> None:
    network(tmp_path / "a.onnx", WORDS, WIDTH, WIDE)
    errors = []
    for first in (0, 1):
        quantize(tmp_path / "a.onnx", tmp_path / "b.onnx", first)
        graph = onnx.load(tmp_path / "b.onnx").graph
        assert sum(node.op_type == "MatMulInteger" for node in graph.node) == 1 - first
        assert (tmp_path / "b.onnx").stat().st_size < 0.3 * (tmp_path / "a.onnx").stat().st_size
        before, after = (
            open_engine(tmp_path / f, "cpu").run({"tokens": np.arange(WORDS)})["logits"]
            for f in ("a.onnx", "b.onnx")
        )
        errors.append(np.abs(after - before).max())
    assert errors[1] < errors[0]


def test_it_answers_almost_as_before(tmp_path: Path) -> None:
    network(tmp_path / "a.onnx", WORDS, WIDTH, WIDE)
    quantize(tmp_path / "a.onnx", tmp_path / "b.onnx")
    tokens = {"tokens": np.arange(WORDS)}
    before, after = (
        open_engine(tmp_path / f, "cpu").run(tokens)["logits"] for f in ("a.onnx", "b.onnx")
    )
    assert np.abs(after - before).max() < 0.04 * np.abs(before).max()
    assert (after != before).any()


def test_a_table_of_small_and_large_rows_keeps_both(tmp_path: Path) -> None:
    network(tmp_path / "a.onnx", WORDS, WIDTH, WIDE)
    quantize(tmp_path / "a.onnx", tmp_path / "b.onnx")
    for token in range(0, WORDS, 25):  # alone: no large row shares its activations' scale
        one = {"tokens": np.array([token])}
        before, after = (
            open_engine(tmp_path / f, "cpu").run(one)["logits"] for f in ("a.onnx", "b.onnx")
        )
        assert np.abs(after - before).max() < 0.03 * np.abs(before).max()


def test_what_does_not_shrink_is_refused(tmp_path: Path) -> None:
    network(tmp_path / "a.onnx", 3, 2, 4)
    with pytest.raises(MmerError, match='precision = "float32"'):
        quantize(tmp_path / "a.onnx", tmp_path / "b.onnx")
