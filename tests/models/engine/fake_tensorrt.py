"""A double of the ``tensorrt`` package, 10 or 11, that computes by ONNX Runtime.

It has what mmer uses and nothing else, under the names and parameters of the real bindings:
``test_doubles.py`` holds it against ``tensorrt_api.json``, which was read from them. As in those,
an attribute that does not exist cannot be set, a callback's base class must be initialized, and
what goes wrong is logged and answered with None or False.
"""

from __future__ import annotations

import ctypes
import enum
import json
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'mmer-live[test]'")

import onnx
import onnxruntime as ort

MAGIC = b"FAKE PLAN "
UNSUPPORTED = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger")
LAYER_OF = {
    "ReduceMean": "REDUCE",
    "ReduceSum": "REDUCE",
    "ReduceMax": "REDUCE",
    "Softmax": "SOFTMAX",
    "LayerNormalization": "NORMALIZATION",
    "Sqrt": "UNARY",
    "Exp": "UNARY",
    "Log": "UNARY",
    "Conv": "CONVOLUTION",
    "MatMul": "MATRIX_MULTIPLY",
    "Gemm": "MATRIX_MULTIPLY",
    "Relu": "ACTIVATION",
    "Pow": "ELEMENTWISE",
    "Div": "ELEMENTWISE",
    "Add": "ELEMENTWISE",
    "Mul": "ELEMENTWISE",
    "Sub": "ELEMENTWISE",
}


class DataType(enum.Enum):
    FLOAT = onnx.TensorProto.FLOAT
    HALF = onnx.TensorProto.FLOAT16
    INT8 = onnx.TensorProto.INT8
    INT32 = onnx.TensorProto.INT32
    INT64 = onnx.TensorProto.INT64
    BOOL = onnx.TensorProto.BOOL
    UINT8 = onnx.TensorProto.UINT8


NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.INT8: np.int8,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
    DataType.BOOL: np.bool_,
    DataType.UINT8: np.uint8,
}
TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
MemoryPoolType = enum.Enum("MemoryPoolType", ["WORKSPACE"])
LayerType = enum.Enum("LayerType", [*sorted(set(LAYER_OF.values())), "SHUFFLE"])
ElementWiseOperation = enum.Enum("ElementWiseOperation", ["POW", "DIV", "SUM", "PROD", "SUB"])
OPERATION_OF = {"Pow": "POW", "Div": "DIV", "Add": "SUM", "Mul": "PROD", "Sub": "SUB"}


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    __slots__ = ("__dict__", "_ready")

    def __init__(self) -> None:
        self._ready = True

    def log(self, severity: Any, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    def __init__(self) -> None:
        self._ready = True

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class IInt8EntropyCalibrator2:
    def __init__(self) -> None:
        self._ready = True

    def get_batch_size(self) -> int:
        raise NotImplementedError

    def get_batch(self, names: Sequence[str]) -> list[int] | None:
        raise NotImplementedError

    def read_calibration_cache(self) -> bytes | None:
        raise NotImplementedError

    def write_calibration_cache(self, cache: bytes) -> None:
        raise NotImplementedError


def _taken(value: Any) -> Any:
    """What pybind11 does to a callback whose base was not initialized."""
    assert value._ready, "__init__ of the base class was not called"
    return value


class IHostMemory(bytes):
    """What bytes() of the real one gives."""

    @property
    def nbytes(self) -> int:
        return len(self)


class ITensor:
    __slots__ = ("_dtype", "_name", "_shape")

    def __init__(self, name: str, dtype: DataType, shape: tuple[int, ...]) -> None:
        self._name, self._dtype, self._shape = name, dtype, shape

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> DataType:
        return self._dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape


class IOptimizationProfile:
    __slots__ = ("_shapes",)

    def __init__(self) -> None:
        self._shapes: dict[str, list[tuple[int, ...]]] = {}

    def set_shape(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None:
        if not all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
            raise ValueError("min <= opt <= max does not hold")
        self._shapes[input] = [tuple(min), tuple(opt), tuple(max)]


class ITimingCache:
    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content)


class ParserError:
    __slots__ = ("_operator",)

    def __init__(self, operator: str) -> None:
        self._operator = operator

    def node_operator(self) -> str:
        return self._operator

    def desc(self) -> str:
        return "no importer registered for the op"


class IHidden:
    """Not of TensorRT: what a plan, a network and a context know of their ONNX network."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self.inputs = [self._tensor(i) for i in graph.input]
        self.outputs = [self._tensor(o) for o in graph.output]
        self.axes = {
            d.dim_param: (i.name, at)
            for i in graph.input
            for at, d in enumerate(i.type.tensor_type.shape.dim)
            if d.dim_param
        }
        self.session = ort.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    @staticmethod
    def _tensor(value: Any) -> ITensor:
        kind = value.type.tensor_type
        shape = tuple(d.dim_value if d.dim_value else -1 for d in kind.shape.dim)
        return ITensor(value.name, DataType(kind.elem_type), shape)

    def concrete(self, name: str, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
        if name in shapes:
            return shapes[name]
        value = next(
            v for v in [*self.model.graph.input, *self.model.graph.output] if v.name == name
        )
        found = []
        for d in value.type.tensor_type.shape.dim:
            source = self.axes.get(d.dim_param)
            known = source is not None and source[0] in shapes
            found.append(d.dim_value or (shapes[source[0]][source[1]] if known else -1))
        return tuple(found)


def _has_qdq(model: onnx.ModelProto) -> bool:
    return any(n.op_type == "QuantizeLinear" for n in model.graph.node)


def make(version: str, log: list[str] | None = None) -> Any:
    """The double of one version. ``log`` gets a line for every build, with what it was told."""
    major = int(version.split(".")[0])
    seen = [] if log is None else log
    flags = ["TF32", "REFIT", "DEBUG"]
    if major < 11:
        flags += ["FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"]
    BuilderFlag = enum.Enum("BuilderFlag", flags)
    weakly: Sequence[str] = ("int8_calibrator",) if major < 11 else ()

    class IBuilderConfig:
        __slots__ = (
            *("_calibration", "_flags", "_limits", "_profiles", "_timings"),
            *("progress_monitor", *weakly),
        )

        def __init__(self) -> None:
            self._flags = {"TF32"}
            self._profiles: list[IOptimizationProfile] = []
            self._calibration: IOptimizationProfile | None = None
            self._timings: ITimingCache | None = None
            self._limits: dict[Any, int] = {}

        def set_flag(self, flag: Any) -> None:
            self._flags.add(BuilderFlag(flag).name)

        def clear_flag(self, flag: Any) -> None:
            self._flags.discard(BuilderFlag(flag).name)

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            self._limits[MemoryPoolType(pool)] = pool_size

        def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
            self._profiles.append(profile)
            return len(self._profiles) - 1

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
            return ITimingCache(bytes(serialized_timing_cache))

        def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
            if cache._content and not cache._content.startswith(version.encode()):
                return ignore_mismatch
            self._timings = cache
            return True

        if major < 11:

            def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
                self._calibration = profile
                return True

    class ILayer:
        __slots__ = ("_kind", "_op", "_tensor", *(("precision",) if major < 11 else ()))

        def __init__(self, kind: LayerType, tensor: ITensor) -> None:
            self._kind, self._tensor = kind, tensor

        @property
        def type(self) -> LayerType:
            return self._kind

        def get_output(self, index: int) -> ITensor:
            assert index == 0
            return self._tensor

        if major < 11:

            def set_output_type(self, index: int, dtype: DataType) -> None:
                assert index == 0
                assert self._tensor.dtype in (DataType.FLOAT, DataType.HALF), "not of floats"

    class IElementWiseLayer(ILayer):
        __slots__ = ()

        @property
        def op(self) -> ElementWiseOperation:
            return self._op

    class INetworkDefinition:
        __slots__ = ("_hidden", "_layers")

        def __init__(self) -> None:
            self._layers: list[ILayer] = []

        @property
        def num_inputs(self) -> int:
            return len(self._hidden.inputs)

        def get_input(self, index: int) -> ITensor:
            return self._hidden.inputs[index]

        @property
        def num_layers(self) -> int:
            return len(self._layers)

        def get_layer(self, index: int) -> ILayer:
            return self._layers[index]

        def _read(self, model: onnx.ModelProto) -> None:
            self._hidden = IHidden(model)
            kinds = {
                v.name: v.type.tensor_type.elem_type
                for v in onnx.shape_inference.infer_shapes(model).graph.value_info
            }
            for node in model.graph.node:
                dtype = DataType(kinds.get(node.output[0], onnx.TensorProto.FLOAT))
                kind = LayerType[LAYER_OF.get(node.op_type, "SHUFFLE")]
                tensor = ITensor(node.output[0], dtype, ())
                if kind is LayerType.ELEMENTWISE:
                    layer: ILayer = IElementWiseLayer(kind, tensor)
                    layer._op = ElementWiseOperation[OPERATION_OF[node.op_type]]
                else:
                    layer = ILayer(kind, tensor)
                self._layers.append(layer)

    class OnnxParser:
        def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
            self._network, self._errors = network, []
            _taken(logger)

        def parse(self, model: bytes, path: str | None = None) -> bool:
            parsed = onnx.load_from_string(bytes(model))
            self._errors = [
                ParserError(n.op_type) for n in parsed.graph.node if n.op_type in UNSUPPORTED
            ]
            if not self._errors:
                self._network._read(parsed)
            return not self._errors

        @property
        def num_errors(self) -> int:
            return len(self._errors)

        def get_error(self, index: int) -> ParserError:
            return self._errors[index]

    class Builder:
        def __init__(self, logger: ILogger) -> None:
            self._logger = _taken(logger)

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            return INetworkDefinition()

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig()

        def create_optimization_profile(self) -> IOptimizationProfile:
            return IOptimizationProfile()

        def build_serialized_network(
            self, network: INetworkDefinition, config: IBuilderConfig
        ) -> IHostMemory | None:
            hidden = network._hidden
            (profile,) = config._profiles
            for tensor in hidden.inputs:
                if -1 in tensor.shape and tensor.name not in profile._shapes:
                    return self._fail(f"{tensor.name} has no profile")
            calibrated = 0
            if "INT8" in config._flags and not _has_qdq(hidden.model):
                if getattr(config, "int8_calibrator", None) is None or config._calibration is None:
                    return self._fail("int8 without calibrator and its profile")
                calibrated = self._calibrate(network, config)
            if not self._work(_taken(config.progress_monitor)):
                return None
            kinds = {t.data_type for t in hidden.model.graph.initializer}
            about = {
                "version": version,
                "flags": sorted(config._flags),
                "profile": profile._shapes,
                "calibrated": calibrated,
                "timings": len(config._timings._content) if config._timings else None,
                "kept": sum(hasattr(layer, "precision") for layer in network._layers),
                "half": onnx.TensorProto.FLOAT16 in kinds,
                "qdq": _has_qdq(hidden.model),
            }
            seen.append(json.dumps(about))
            if config._timings is not None:
                config._timings._content = (version + " timings").encode()
            model = hidden.model.SerializeToString()
            return IHostMemory(MAGIC + json.dumps(about).encode() + b"\0" + model)

        def _fail(self, why: str) -> None:
            self._logger.log(ILogger.Severity.ERROR, why)

        def _calibrate(self, network: INetworkDefinition, config: Any) -> int:
            calibrator = _taken(config.int8_calibrator)
            shapes = {n: s[1] for n, s in config._calibration._shapes.items()}
            names = [t.name for t in network._hidden.inputs]
            assert calibrator.read_calibration_cache() is None
            count = 0
            while (addresses := calibrator.get_batch(names)) is not None:
                feed = {
                    t.name: _at(address, shapes[t.name], t.dtype)
                    for t, address in zip(network._hidden.inputs, addresses, strict=True)
                }
                assert calibrator.get_batch_size() == len(feed[names[0]])
                network._hidden.session.run(None, feed)
                count += 1
            calibrator.write_calibration_cache(b"cache")
            return count

        def _work(self, monitor: IProgressMonitor) -> bool:
            monitor.phase_start("Building", None, 4)
            monitor.phase_start("Timing", "Building", 2)
            going = monitor.step_complete("Timing", 0)
            monitor.phase_finish("Timing")
            for step in range(4):
                going = going and monitor.step_complete("Building", step)
            monitor.phase_finish("Building")
            return going

    class IExecutionContext:
        def __init__(self, hidden: IHidden, profile: dict[str, Any]) -> None:
            self._hidden, self._profile = hidden, profile
            self._shapes: dict[str, tuple[int, ...]] = {}
            self._addresses: dict[str, int] = {}
            self._busy = threading.Lock()

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            least, _, most = self._profile[name]
            self._shapes[name] = tuple(shape)
            return all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True))

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self._hidden.concrete(name, self._shapes)

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = int(memory)
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            assert stream_handle
            assert self._busy.acquire(blocking=False), "one context in two threads at once"
            try:
                hidden = self._hidden
                feed = {
                    t.name: _at(self._addresses[t.name], self._shapes[t.name], t.dtype).copy()
                    for t in hidden.inputs
                }
                for t, array in zip(hidden.outputs, hidden.session.run(None, feed), strict=True):
                    target = _at(self._addresses[t.name], self.get_tensor_shape(t.name), t.dtype)
                    target[...] = array
            finally:
                self._busy.release()
            return True

    class ICudaEngine:
        def __init__(self, hidden: IHidden, profile: dict[str, Any]) -> None:
            self._hidden, self._profile = hidden, profile
            self._tensors = {t.name: t for t in [*hidden.inputs, *hidden.outputs]}

        @property
        def num_io_tensors(self) -> int:
            return len(self._tensors)

        def get_tensor_name(self, index: int) -> str:
            return list(self._tensors)[index]

        def get_tensor_mode(self, name: str) -> TensorIOMode:
            takes = name in [t.name for t in self._hidden.inputs]
            return TensorIOMode.INPUT if takes else TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name: str) -> DataType:
            return self._tensors[name].dtype

        def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
            assert profile_index == 0
            return [tuple(shape) for shape in self._profile[name]]

        def create_execution_context(self, strategy: Any = None) -> IExecutionContext:
            return IExecutionContext(self._hidden, self._profile)

    class Runtime:
        def __init__(self, logger: ILogger) -> None:
            self._logger = _taken(logger)

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            head, _, model = bytes(serialized_engine).partition(b"\0")
            about = json.loads(head.removeprefix(MAGIC)) if head.startswith(MAGIC) else {}
            if about.get("version") != version:
                self._logger.log(ILogger.Severity.ERROR, "magicTag does not match")
                return None
            return ICudaEngine(IHidden(onnx.load_from_string(model)), about["profile"])

    def nptype(trt_type: DataType) -> Any:
        return NUMPY[trt_type]

    double = SimpleNamespace(
        __version__=version,
        __spec__=object(),
        nptype=nptype,
        BuilderFlag=BuilderFlag,
        DataType=DataType,
        ElementWiseOperation=ElementWiseOperation,
        LayerType=LayerType,
        MemoryPoolType=MemoryPoolType,
        TensorIOMode=TensorIOMode,
        Builder=Builder,
        IBuilderConfig=IBuilderConfig,
        ICudaEngine=ICudaEngine,
        IElementWiseLayer=IElementWiseLayer,
        IExecutionContext=IExecutionContext,
        IHostMemory=IHostMemory,
        ILayer=ILayer,
        ILogger=ILogger,
        INetworkDefinition=INetworkDefinition,
        IOptimizationProfile=IOptimizationProfile,
        IProgressMonitor=IProgressMonitor,
        ITensor=ITensor,
        ITimingCache=ITimingCache,
        OnnxParser=OnnxParser,
        ParserError=ParserError,
        Runtime=Runtime,
    )
    if major < 11:
        double.IInt8EntropyCalibrator2 = IInt8EntropyCalibrator2
    return double


def _at(address: int, shape: tuple[int, ...], dtype: DataType) -> np.ndarray:
    """The array that lies at an address."""
    kind = np.dtype(NUMPY[dtype])
    size = int(np.prod(shape)) * kind.itemsize
    view = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(view, kind).reshape(shape)
