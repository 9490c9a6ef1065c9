"""Precision of an ONNX network: float16, static int8 by calibration, and int8 back to float.

All of it needs the ``onnx`` package, and gives a network that ONNX Runtime runs as well.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError

Inputs = Mapping[str, np.ndarray]

PRECISIONS: Final = ("fp32", "fp16", "int8")

_FLOAT32_ALWAYS: Final = (
    *("ReduceMean", "ReduceSum", "Pow", "Sqrt", "Div", "Exp", "Log"),
    *("Softmax", "LogSoftmax", "LayerNormalization", "BatchNormalization"),
)
"""What has sums, squares or quotients in it, for which float16 is too narrow: an image's variance
alone, of values up to 255, reaches its largest number."""


def load(path: Path) -> Any:
    """The network as an ``onnx.ModelProto``.

    Raises:
        MmerError: onnx is not installed, or the file is not a network.
    """
    try:
        import onnx
    except ImportError as error:
        raise MmerError("to change a network it takes onnx: pip install onnx") from error
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own, which differ between its versions
        raise MmerError(f"cannot read the model {path}: {error}") from error


def in_floats(path: Path) -> Any:
    """The network of a file as ``load`` gives it: no product of integers in it, no float16 weights.

    Raises:
        MmerError: it cannot be read, or was quantized in a way that is not known.
    """
    model = load(path)
    return dequantized(model) if is_quantized(model) else widened(model)


def widened(model: Any) -> Any:
    """A network of ``mmer.training.export.half``, its weights in float32; any other as it is."""
    from onnx import numpy_helper

    graph = model.graph
    stored = {t.name: t for t in graph.initializer if t.data_type == t.FLOAT16}
    casts = [n for n in graph.node if n.op_type == "Cast" and n.input[0] in stored]
    for cast in casts:
        tensor = stored[cast.input[0]]
        array = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(array, cast.output[0]))
        graph.node.remove(cast)
    return model


def float16(model: Any) -> Any:
    """Products and convolutions in float16; inputs, outputs and what is too wide stay float32."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    named = type(model)()
    named.CopyFrom(model)
    for number, node in enumerate(named.graph.node):
        node.name = f"node_{number}"  # by which some versions name the casts that they put in
    converted = convert_float_to_float16(
        named, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_FLOAT32_ALWAYS]
    )
    # others cast a value once for each of the nodes that use it, under one name: once will do
    once = {node.output[0]: node for node in converted.graph.node}
    nodes = [node for node in converted.graph.node if once[node.output[0]] is node]
    del converted.graph.node[:]
    converted.graph.node.extend(nodes)
    return converted


def int8(model: Any, calibration: Sequence[Inputs], symmetric: bool) -> Any:
    """Convolutions and products in int8, by what passes through them in ``calibration``.

    Each quantized value is marked by a pair of QuantizeLinear and DequantizeLinear.

    Args:
        model: a float32 network; it is not altered.
        calibration: inputs such as the network will see.
        symmetric: zero points are zero and biases stay float, as TensorRT wants it. Else weights
            use seven bits, which is exact on processors without VNNI too.

    Raises:
        MmerError: there is nothing to calibrate by, or the network is not one of float inputs.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not calibration:
        raise MmerError("int8 needs inputs to calibrate by, and there are none")
    if any(i.type.tensor_type.elem_type != onnx.TensorProto.FLOAT for i in model.graph.input):
        raise MmerError(
            "int8 by calibration is for networks of sounds and images, not of tokens; the shipped "
            "text network has its large matrices in int8 already: use --precision fp16 or fp32"
        )
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it warns of every node that it leaves alone
    try:
        with tempfile.TemporaryDirectory() as folder:
            given, folded, after = (Path(folder) / f"{n}.onnx" for n in ("given", "folded", "int8"))
            onnx.save(model, given)
            # folds BatchNormalization into the convolution before it, where both can be
            quant_pre_process(given, folded, skip_symbolic_shape=True)
            quantize_static(
                folded,
                after,
                _Reader(calibration),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                per_channel=True,
                reduce_range=not symmetric,
                activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={
                    "ActivationSymmetric": symmetric,
                    "WeightSymmetric": True,
                    "QuantizeBias": not symmetric,
                },
            )
            return onnx.load(after)
    finally:
        root.setLevel(level)


class _Reader:
    """ONNX Runtime's ``CalibrationDataReader``: one input at a time, then None."""

    def __init__(self, inputs: Iterable[Inputs]) -> None:
        self._rest = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        found = next(self._rest, None)
        return None if found is None else dict(found)


def is_quantized(model: Any) -> bool:
    """Whether it multiplies integers that it quantizes as they come, which TensorRT cannot."""
    return any(node.op_type == "DynamicQuantizeLinear" for node in model.graph.node)


def dequantized(model: Any) -> Any:
    """A network of ``mmer.training.export.quantize``, its int8 matrices multiplied out to float32.

    The weights are what they were; what was rounded to 8 bits on its way is not any more, so the
    answers differ a little, towards those of the network before it was quantized.

    Raises:
        MmerError: it was quantized in another way.
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.ModelProto()
    graph.CopyFrom(model)
    nodes = list(graph.graph.node)
    stored = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    users: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    makers = {name: node for node in nodes for name in node.output}
    gone: set[int] = set()
    for quantizer in [n for n in nodes if n.op_type == "DynamicQuantizeLinear"]:
        gone.add(id(quantizer))
        for product in users.get(quantizer.output[0], []):
            # what the quantizer wrote: MatMulInteger, Cast, Mul by (scale of x) Mul (scale of W)
            cast = _only(users, product.output[0], "Cast")
            scaled = _only(users, cast.output[0], "Mul")
            scale = makers.get(_other(scaled, cast.output[0]))
            if product.op_type != "MatMulInteger" or scale is None or scale.op_type != "Mul":
                raise _other_kind()
            weights, zero_point = product.input[1], next(iter(product.input[3:]), "")
            weight_scale = _other(scale, quantizer.output[1])
            if not {weights, weight_scale, zero_point} <= {"", *stored}:
                raise _other_kind()
            matrix = stored[weights].astype(np.float32)
            if zero_point:
                matrix -= stored[zero_point].astype(np.float32)
            name = f"{product.output[0]}_weights"
            stored[name] = matrix * stored[weight_scale]
            nodes[nodes.index(product)] = helper.make_node(
                "MatMul", [quantizer.input[0], name], [scaled.output[0]], name=product.name
            )
            gone |= {id(cast), id(scaled), id(scale)}
    nodes = [node for node in nodes if id(node) not in gone]
    used = {name for node in nodes for name in node.input}
    del graph.graph.node[:], graph.graph.initializer[:], graph.graph.value_info[:]
    graph.graph.node.extend(nodes)
    for name, array in stored.items():
        if name in used:
            # int8 that is only stored so: every Cast to float behind it then has nothing to do
            whole = array.astype(np.float32) if array.dtype == np.int8 else array
            graph.graph.initializer.append(numpy_helper.from_array(whole, name))
    return graph


def _only(users: Mapping[str, list[Any]], name: str, op_type: str) -> Any:
    found = users.get(name, [])
    if len(found) != 1 or found[0].op_type != op_type:
        raise _other_kind()
    return found[0]


def _other(node: Any, name: str) -> str:
    """The other one of a node's two inputs."""
    return str(node.input[1] if node.input[0] == name else node.input[0])


def _other_kind() -> MmerError:
    return MmerError(
        "the network multiplies integers in a way that mmer-train did not write, and TensorRT "
        "cannot: use --provider cuda or cpu"
    )
