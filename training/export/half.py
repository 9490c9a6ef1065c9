"""Weights of a float32 ONNX file stored in float16, and computed with in float32 all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGE = 1 << 10
"""Values of a tensor from which it is worth a Cast."""


def store_in_float16(float32: Path, path: Path) -> None:
    """Write ``path`` from ``float32``, about half as large.

    Each large tensor is cast to float32 where it is used; ONNX Runtime does so once, as it opens
    the file. Values beyond float16's largest are cut to it; none of a trained network is as large.
    """
    model = onnx.load(float32)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LARGE:
            continue
        name, largest = tensor.name, np.finfo(np.float16).max
        array = np.clip(numpy_helper.to_array(tensor), -largest, largest).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(array, f"{name}_float16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)
