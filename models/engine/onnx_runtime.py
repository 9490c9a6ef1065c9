"""ONNX Runtime engine, on the provider that was asked for or not at all."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.engine.providers import EXECUTION_PROVIDERS, HOW_TO_GET
from mmer.models.engine.shapes import Lengths, example, span
from mmer.models.errors import MmerError

_MEMORY: Final[Mapping[str, str]] = {"cuda": "cuda", "ort-tensorrt": "cuda", "directml": "dml"}
"""ONNX Runtime's name for the memory that a provider computes in; the others' is the CPU's."""
_FLOATS_ALONE: Final = ("cuda", "ort-tensorrt", "coreml")
"""Providers without the integer products of int8 text networks: they would leave them to
the CPU, and copy what passes through from and to the GPU."""
_WORK: Final = frozenset({"Conv", "Gemm", "MatMul", "MatMulInteger"})
"""Operators in which a network spends its time. Some others (shapes, indexes) ONNX Runtime leaves
to the CPU on purpose."""


class OnnxRuntimeEngine:
    """One ONNX file opened by ONNX Runtime.

    Immutable after construction and safe to call from several threads: they share one session and
    its weights. One intra-op thread and no spinning: these networks are small, and an idle
    recognizer must leave the cores alone. One call has been made when it is there, so that the
    first real one is not the slow one (where the shapes are known).

    Args:
        path: the network.
        provider: a name of ``EXECUTION_PROVIDERS``.
        threads: how many one call may use on the CPU.
        lengths: of the axis that is not fixed, where there is one.

    Raises:
        MmerError: the file cannot be opened; the provider is not there, cannot run, or leaves the
            network's work to the CPU.
    """

    def __init__(
        self, path: Path, provider: str = "cpu", threads: int = 1, lengths: Lengths | None = None
    ) -> None:
        import onnxruntime as ort

        wanted = EXECUTION_PROVIDERS[provider]
        if wanted not in ort.get_available_providers():
            raise MmerError(
                f"provider {provider!r} is not in this onnxruntime (it has: "
                f"{', '.join(available())}); {HOW_TO_GET[provider]}, or use --provider auto"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # a plan of the memory would be kept for every shape that ever came: sounds have hundreds of
        # lengths, and a decoder's call two of them. It saves no time; DirectML can have none.
        options.enable_mem_pattern = False
        if provider != "cpu":
            # to be asked below which nodes it took; an older ONNX Runtime does not know the entry
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        network = _in_floats(path) if provider in _FLOATS_ALONE else str(path)
        settings: Mapping[str, str] = {}
        if provider == "cuda":
            # the default, an exhaustive search, would be made anew for every length of a sound
            settings = {"cudnn_conv_algo_search": "HEURISTIC"}
        elif provider == "ort-tensorrt":
            settings = _for_tensorrt(network, lengths)
        missing = "" if _MEMORY.get(provider) != "cuda" else _preload()
        # without fallback: it would go on with the CPU, unasked, when it is opened or a call fails
        arguments: dict[str, Any] = {"providers": [(wanted, dict(settings))], "enable_fallback": 0}
        try:
            with _quiet(provider):
                self._session = ort.InferenceSession(network, options, **arguments)
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types; all mean this
            what = "open the model" if provider == "cpu" else f"run on {provider!r} the model"
            raise MmerError(f"cannot {what} {path}: {_one_line(error)}{missing}") from error
        used = self._session.get_providers()[0]
        if used != wanted:
            raise MmerError(
                f"provider {provider!r} could not start for {path.name}: ONNX Runtime fell back to "
                f"{used}; its libraries are not there or of other versions, or no such device is"
                f"{missing}; use --provider auto or cpu"
            )
        self.provider = provider
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self.outputs = tuple(o.name for o in self._session.get_outputs())
        self._memory = _MEMORY.get(provider, "cpu")
        # DirectML takes one call of a session at a time
        self._turn: AbstractContextManager[Any] = (
            threading.Lock() if provider == "directml" else nullcontext()
        )
        self._see_that_it_runs(path, wanted, lengths)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named arrays in (first axis is the batch), named arrays out."""
        with self._turn:
            if self._memory == "cpu":
                found = self._session.run(None, dict(inputs))
            else:
                found = run_bound(self._session, self._memory, inputs)
        return dict(zip(self.outputs, found, strict=True))

    def _see_that_it_runs(self, path: Path, wanted: str, lengths: Lengths | None) -> None:
        if self.provider != "cpu" and hasattr(self._session, "get_provider_graph_assignment_info"):
            parts = self._session.get_provider_graph_assignment_info()
            took = {part.ep_name for part in parts}
            left = {n.op_type for p in parts if p.ep_name != wanted for n in p.get_nodes()} & _WORK
            if wanted not in took or left:
                what = f"the {' and '.join(sorted(left))}" if left else "all"
                raise MmerError(
                    f"provider {self.provider!r} leaves {what} of {path.name} to "
                    f"{' and '.join(sorted(took - {wanted}))}; use --provider auto or cpu"
                )
        try:
            declared = {i.name: (i.shape, _dtype(i.type)) for i in self._session.get_inputs()}
            if (first := example(declared, lengths)) is not None:
                self.run(first)
        except Exception as error:  # as above: whatever it is, the network does not run here
            raise MmerError(
                f"provider {self.provider!r} cannot run {path.name}: {_one_line(error)}; "
                "use --provider auto"
            ) from error


def run_bound(session: Any, memory: str, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """One call whose inputs and outputs lie in ``memory`` ("cuda", "dml", "cpu") of device 0.

    Each crosses once: without binding, ONNX Runtime would put them where the first and last node
    lie, and copy around every node that lies elsewhere.
    """
    import onnxruntime as ort

    binding = session.io_binding()
    for name, array in inputs.items():
        value = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), memory, 0)
        binding.bind_ortvalue_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name, memory)
    session.run_with_iobinding(binding)
    return list(binding.copy_outputs_to_cpu())


def available() -> tuple[str, ...]:
    """The providers of the onnxruntime that is installed, by our names."""
    import onnxruntime as ort

    there = ort.get_available_providers()
    return tuple(name for name, theirs in EXECUTION_PROVIDERS.items() if theirs in there)


def _preload() -> str:
    """Load CUDA and cuDNN from where pip put them; what is missing, for a message.

    ONNX Runtime prints that, and standard output is for results.
    """
    import onnxruntime as ort

    if not hasattr(ort, "preload_dlls"):
        return ""
    printed = io.StringIO()
    with redirect_stdout(printed):
        ort.preload_dlls()
    failed = [line for line in printed.getvalue().splitlines() if "Failed to load" in line]
    return f" ({failed[0]})" if failed else ""


@contextmanager
def _quiet(provider: str) -> Iterator[None]:
    """Without the log of a GPU's libraries that are not there: the error will say it."""
    import onnxruntime as ort

    if provider == "cpu":
        yield
        return
    ort.set_default_logger_severity(4)
    try:
        yield
    finally:
        ort.set_default_logger_severity(2)  # its default


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _in_floats(path: Path) -> str | bytes:
    """The file, or where its network multiplies integers, that network without."""
    try:
        if b"DynamicQuantizeLinear" not in path.read_bytes():
            return str(path)
    except OSError as error:
        raise MmerError(f"cannot open the model {path}: {error.strerror}") from error
    from mmer.models.engine.precision import in_floats

    return bytes(in_floats(path).SerializeToString())


def _for_tensorrt(network: str | bytes, lengths: Lengths | None) -> dict[str, str]:
    """What ONNX Runtime's TensorRT provider is told.

    Its plans are kept. With a profile of all lengths one is built; else it would be one a length.
    """
    import onnxruntime as ort

    from mmer.models.engine.tensorrt.plans import cannot_keep, plans_folder

    on_cpu = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    spans = {i.name: span(i.name, i.shape, lengths) for i in on_cpu.get_inputs()}
    folder = plans_folder() / "onnxruntime"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_keep(folder, error) from error
    settings = {
        "trt_fp16_enable": "1",
        "trt_layer_norm_fp32_fallback": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
    for theirs, ours in (("min", "least"), ("opt", "usual"), ("max", "most")):
        shapes = {name: "x".join(map(str, getattr(s, ours))) for name, s in spans.items()}
        settings[f"trt_profile_{theirs}_shapes"] = ",".join(f"{n}:{s}" for n, s in shapes.items())
    return settings


def _dtype(onnx_type: str) -> np.dtype[Any]:
    """``tensor(float)`` and the like as NumPy's."""
    name = onnx_type.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))
