"""ONNX Runtime's engine, on a provider that is what was asked for."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.engine.providers import EXECUTION_PROVIDERS, HOW_TO_GET
from mmer.models.engine.shapes import Lengths, example
from mmer.models.errors import MmerError

_MEMORY: Final[Mapping[str, str]] = {"cuda": "cuda", "ort-tensorrt": "cuda", "directml": "dml"}
"""ONNX Runtime's name for the memory that a provider computes in; the others' is the CPU's."""


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
        MmerError: the file cannot be opened; the provider is not there, cannot run, or left the
            whole network to another.
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
        if _MEMORY.get(provider) == "cuda" and hasattr(ort, "preload_dlls"):
            # CUDA and cuDNN where pip put them; it prints what it misses, and standard output is
            # for results
            with redirect_stdout(io.StringIO()):
                ort.preload_dlls()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        if provider != "cpu":
            # to be asked below which nodes it took; an older ONNX Runtime does not know the entry
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if provider == "directml":
            options.enable_mem_pattern = False  # DirectML can have no other
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=[(wanted, _settings(provider))]
            )
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types; all mean this
            raise MmerError(f"cannot open the model {path}: {error}") from error
        self._session.disable_fallback()  # else a failing call would go to the CPU unasked
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
        used = self._session.get_providers()[0]
        if used != wanted:
            raise MmerError(
                f"provider {self.provider!r} could not start for {path.name}: ONNX Runtime fell "
                f"back to {used}; its libraries (CUDA, cuDNN, TensorRT) are not there or of other "
                "versions, or no such device is; use --provider auto or cpu"
            )
        if self.provider != "cpu" and hasattr(self._session, "get_provider_graph_assignment_info"):
            took = {part.ep_name for part in self._session.get_provider_graph_assignment_info()}
            if wanted not in took:
                raise MmerError(
                    f"provider {self.provider!r} takes no part of {path.name}: it would all run on "
                    f"{', '.join(sorted(took))}; use --provider auto or cpu"
                )
        declared = {i.name: (i.shape, _dtype(i.type)) for i in self._session.get_inputs()}
        first = example(declared, lengths)
        if first is None:
            return
        try:
            self.run(first)
        except Exception as error:  # as above: whatever it is, the network does not run here
            raise MmerError(
                f"provider {self.provider!r} cannot run {path.name}: {error}; use --provider auto"
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


def _settings(provider: str) -> dict[str, str]:
    if provider == "cuda":
        # the default, an exhaustive search, would be made anew for every length of a sound
        return {"cudnn_conv_algo_search": "HEURISTIC"}
    if provider == "ort-tensorrt":
        from mmer.models.engine.tensorrt.plans import plans_folder

        folder = str(plans_folder() / "onnxruntime")
        return {
            "trt_fp16_enable": "1",
            "trt_layer_norm_fp32_fallback": "1",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    return {}


def _dtype(onnx_type: str) -> np.dtype[Any]:
    """``tensor(float)`` and the like as NumPy's."""
    name = onnx_type.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))
