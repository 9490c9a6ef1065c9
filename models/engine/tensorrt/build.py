"""Plan builder: TensorRT parses the network, times its kernels here, and keeps the fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mmer.models.engine.precision import Inputs
from mmer.models.engine.shapes import Lengths, Span, span
from mmer.models.engine.tensorrt.calibrator import new_calibrator
from mmer.models.engine.tensorrt.cuda import Cuda
from mmer.models.engine.tensorrt.library import TensorRT
from mmer.models.engine.tensorrt.progress import Report, interrupt_calls, new_monitor
from mmer.models.errors import MmerError

WORKSPACE: Final = 256 << 20
"""Bytes of GPU memory that a kernel may use beside its tensors: ample for networks of ours."""


def build_plan(
    tensorrt: TensorRT,
    cuda: Cuda,
    graph: bytes,
    precision: str,
    lengths: Lengths | None,
    calibration: Sequence[Inputs],
    timings: bytes,
    report: Report,
) -> tuple[bytes, bytes]:
    """Build; takes minutes on a Jetson.

    Args:
        tensorrt: the package.
        cuda: the device's memory, for calibration.
        graph: the network (see ``graph_for``).
        precision: one of ``PRECISIONS``. TensorRT 10 is free to take the faster of it and float32
            for each layer; from 11 on it is the graph's.
        lengths: of the axis that is not fixed.
        calibration: inputs for int8 on TensorRT 10.
        timings: the timing cache of an earlier build, or nothing.
        report: progress callback.

    Returns:
        The plan, and the timing cache for the next build.

    Raises:
        MmerError: TensorRT cannot read or build the network.
        KeyboardInterrupt: Ctrl-C came meanwhile.
    """
    trt = tensorrt.module
    builder = tensorrt.start("Builder")
    network = _parsed(tensorrt, builder, graph)
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    spans = {i.name: span(i.name, tuple(i.shape), lengths) for i in inputs}
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    config.add_optimization_profile(_profile(builder, spans))
    cache = _timing_cache(config, timings)
    monitor = new_monitor(trt, report)
    config.progress_monitor = monitor
    calibrator = None
    if precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)  # which rounds what goes into products
    if tensorrt.major < 11 and precision != "fp32":
        config.set_flag(trt.BuilderFlag.FP16)
        _keep_wide_layers(trt, network, config)
        if precision == "int8":
            usual = {name: shape.usual for name, shape in spans.items()}
            calibrator = new_calibrator(trt, cuda, calibration, usual)
            config.set_flag(trt.BuilderFlag.INT8)
            config.int8_calibrator = calibrator
            fixed = {name: Span(shape, shape, shape) for name, shape in usual.items()}
            config.set_calibration_profile(_profile(builder, fixed))
    try:
        with interrupt_calls(monitor.stop):
            plan = builder.build_serialized_network(network, config)
    finally:
        if calibrator is not None:
            calibrator.close()
    if monitor.stopped:
        raise KeyboardInterrupt
    if plan is None:
        raise MmerError(f"TensorRT could not build the network: {tensorrt.complaints()}")
    return bytes(plan), bytes(cache.serialize())


def _parsed(tensorrt: TensorRT, builder: Any, graph: bytes) -> Any:
    trt = tensorrt.module
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, tensorrt.logger)
    if not parser.parse(graph):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        messages = "; ".join(f"{e.node_operator() or 'the file'}: {e.desc()}" for e in errors)
        raise MmerError(
            f"TensorRT {tensorrt.version} cannot read the network: "
            f"{messages or tensorrt.complaints()}; use --provider cuda or cpu"
        )
    tensorrt.complaints()  # what the parser said in passing is not of the build
    return network


def _profile(builder: Any, spans: Mapping[str, Span]) -> Any:
    profile = builder.create_optimization_profile()
    for name, shape in spans.items():
        profile.set_shape(name, shape.least, shape.usual, shape.most)
    return profile


def _timing_cache(config: Any, timings: bytes) -> Any:
    """The earlier build's where TensorRT takes it (same GPU, same version), else an empty one."""
    cache = config.create_timing_cache(timings)
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _keep_wide_layers(trt: Any, network: Any, config: Any) -> None:
    """Sums, squares and quotients stay float32: see ``precision``, which does so for 11."""
    kinds = trt.LayerType
    wide = (kinds.REDUCE, kinds.SOFTMAX, kinds.NORMALIZATION, kinds.UNARY)
    operations = (trt.ElementWiseOperation.POW, trt.ElementWiseOperation.DIV)
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        too_wide = layer.type in wide or (
            layer.type == kinds.ELEMENTWISE and layer.op in operations
        )
        # of whole numbers (shapes, masks) the precision cannot be set
        if too_wide and layer.get_output(0).dtype == trt.DataType.FLOAT:
            layer.precision = trt.DataType.FLOAT
            layer.set_output_type(0, trt.DataType.FLOAT)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
