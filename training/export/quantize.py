"""Dynamic int8 quantization of a float32 ONNX file: matrices and embeddings.

For files that are shipped; static int8 by calibration, for engines, is
``mmer.models.engine.precision.int8``.
"""

from __future__ import annotations

import logging
from collections import Counter
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mmer.models.errors import MmerError

LARGE = 1 << 16
"""Values of a matrix from which integer arithmetic pays."""


def quantize(
    float32: Path, path: Path, float_products: int = 0, narrow_in_float: bool = True
) -> None:
    """Write ``path`` from ``float32``, about a quarter as large.

    Large matrices are multiplied in integers, by activations that are quantized as they come. All
    others, and embeddings, are only stored in int8 and multiplied in float: small ones cost no
    time; what a narrowing one (the second of a transformer's feed-forward pair) takes in may be too
    uneven for 8 bits (``narrow_in_float``), and so may be what the first ``float_products`` large
    ones take in. Each column, and each row of an embedding, has a scale.

    Weights that meet integers use seven of the eight bits: on processors without VNNI, products
    of eight would overflow, and a network would answer differently on another machine.

    Raises:
        MmerError: the file has not become smaller.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(float32)
    # the shapes of what the quantizer transposes would be wrong; it infers them anew
    del model.graph.value_info[:]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a preparation that changes nothing here
    try:
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_exclude=_kept_in_float(model.graph, float_products, narrow_in_float),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        root.setLevel(level)
    model = onnx.load(path)
    _store_in_int8(model.graph)
    onnx.save(model, path)
    before, after = float32.stat().st_size, path.stat().st_size
    if after >= before:
        raise MmerError(
            f"{path.name}: int8 makes {before} bytes {after}: it has no large matrix or embedding; "
            'let the recipe say precision = "float32"'
        )


def _kept_in_float(graph: onnx.GraphProto, first: int, narrow: bool) -> list[str]:
    """Names of the products with a constant matrix that is small, and of the ``first`` others.

    And if ``narrow`` of those with more rows than columns.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    names = []
    for node in graph.node:
        if node.op_type not in ("MatMul", "Gemm") or len(shapes.get(node.input[1], ())) != 2:
            continue
        rows, columns = shapes[node.input[1]]
        if _transposed(node):
            rows, columns = columns, rows
        kept = (narrow and rows > columns) or rows * columns < LARGE
        if kept or first > 0:
            first -= not kept
            # the quantizer makes a MatMul of a Gemm first, and names it so
            names.append(node.name if node.op_type == "MatMul" else f"{node.name}_MatMul")
    return names


def _store_in_int8(graph: onnx.GraphProto) -> None:
    """Matrices and embeddings that are still float32, and used once, as int8 and a scale.

    ONNX Runtime multiplies a matrix out when it opens the file; of an embedding, the rows in use.
    """
    uses = Counter(name for node in graph.node for name in node.input)
    floats = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) == 2
        and uses[tensor.name] == 1
    }
    nodes: list[onnx.NodeProto] = []
    stored: list[onnx.TensorProto] = []
    done: set[str] = set()
    for node in graph.node:
        place = {"MatMul": 1, "Gemm": 1, "Gather": 0}.get(node.op_type)
        if place is None or (name := node.input[place]) not in floats:
            nodes.append(node)
            continue
        done.add(name)
        # a column's scale; a row's where rows are looked up or the matrix lies transposed
        by_row = node.op_type == "Gather" or _transposed(node)
        largest = np.abs(floats[name]).max(axis=1 if by_row else 0, keepdims=True)
        scales = np.maximum(largest, 1e-12).astype(np.float32) / 127
        stored.append(
            numpy_helper.from_array(np.round(floats[name] / scales).astype(np.int8), f"{name}_int8")
        )
        stored.append(numpy_helper.from_array(scales, f"{name}_scale"))
        parts = [f"{name}_int8", f"{name}_scale"]
        unfolded = f"{name}_unfolded"
        if node.op_type == "Gather":
            parts_in_use = [f"{part}_in_use" for part in parts]
            for part, in_use in zip(parts, parts_in_use, strict=True):
                nodes.append(helper.make_node("Gather", [part, node.input[1]], [in_use]))
            parts, unfolded = parts_in_use, node.output[0]
        cast = f"{name}_cast"
        nodes.append(helper.make_node("Cast", parts[:1], [cast], to=onnx.TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [cast, parts[1]], [unfolded]))
        if node.op_type != "Gather":
            node.input[1] = unfolded
            nodes.append(node)
    stored += [tensor for tensor in graph.initializer if tensor.name not in done]
    nodes, stored = deepcopy(nodes), deepcopy(stored)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(stored)


def _transposed(node: onnx.NodeProto) -> bool:
    return any(a.name == "transB" and a.i for a in node.attribute)
