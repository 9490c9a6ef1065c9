"""TensorRT engine: one plan, its weights and its buffers on the GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from mmer.models.engine.shapes import MAX_BATCH
from mmer.models.engine.tensorrt.cuda import Cuda
from mmer.models.engine.tensorrt.library import TensorRT
from mmer.models.errors import MmerError


class TensorRTEngine:
    """One plan, its weights and its buffers on the GPU.

    Safe to call from several threads: there is one execution context, and calls wait for each
    other. A context each would only make them wait inside the GPU, and takes memory for every
    thread; calls that come together are better merged into one (the batch axis takes up to 8 rows,
    more are split). Buffers are made once, for the largest shapes of the plan's profile.

    Raises:
        MmerError: TensorRT does not take the plan, or the first call fails.
    """

    provider = "tensorrt"

    def __init__(self, tensorrt: TensorRT, cuda: Cuda, plan: bytes, name: str) -> None:
        trt = tensorrt.module
        self._tensorrt, self._cuda, self._name = tensorrt, cuda, name
        self._runtime = tensorrt.start("Runtime")  # must outlive the engine
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise MmerError(f"TensorRT does not take the plan of {name}: {tensorrt.complaints()}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise MmerError(f"TensorRT cannot run {name}: {tensorrt.complaints()}")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {n: self._engine.get_tensor_mode(n) for n in names}
        self.inputs = tuple(n for n in names if modes[n] == trt.TensorIOMode.INPUT)
        self.outputs = tuple(n for n in names if modes[n] == trt.TensorIOMode.OUTPUT)
        self._types: dict[str, np.dtype[Any]] = {
            n: np.dtype(trt.nptype(self._engine.get_tensor_dtype(n))) for n in names
        }
        spans = {n: self._engine.get_tensor_profile_shape(n, 0) for n in self.inputs}
        self._bounds = {n: (tuple(s[0]), tuple(s[2])) for n, s in spans.items()}
        self._stream = cuda.stream()
        self._addresses: dict[str, int] = {}
        self._lock = threading.Lock()
        self._make_buffers()
        self.run({n: np.ones(tuple(s[1]), self._types[n]) for n, s in spans.items()})

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out; more rows than the plan takes go in several calls.

        Raises:
            ValueError: another set of names, or a shape outside the plan's profile.
            MmerError: the GPU failed.
        """
        if set(inputs) != set(self.inputs):
            raise ValueError(f"expected the inputs {self.inputs}, got {tuple(inputs)}")
        rows = len(next(iter(inputs.values())))
        parts = [
            self._run_some({n: a[at : at + MAX_BATCH] for n, a in inputs.items()})
            for at in range(0, rows, MAX_BATCH)
        ]
        if len(parts) == 1:
            return parts[0]
        return {n: np.concatenate([part[n] for part in parts]) for n in self.outputs}

    def _run_some(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = {n: np.ascontiguousarray(a, self._types[n]) for n, a in inputs.items()}
        for name, array in arrays.items():
            least, most = self._bounds[name]
            sizes = zip(least, array.shape, most, strict=False)
            if array.ndim != len(least) or not all(lo <= size <= hi for lo, size, hi in sizes):
                raise ValueError(
                    f"{self._name}: {name} is {array.shape}, its plan takes {least} to {most}"
                )
        with self._lock:
            for name, array in arrays.items():
                self._check(self._context.set_input_shape(name, array.shape))
                self._cuda.to_device(self._addresses[name], array, self._stream)
            found = {
                n: np.empty(tuple(self._context.get_tensor_shape(n)), self._types[n])
                for n in self.outputs
            }
            self._check(self._context.execute_async_v3(self._stream))
            for name, array in found.items():
                self._cuda.to_host(array, self._addresses[name], self._stream)
            self._cuda.wait(self._stream)
        return found

    def _make_buffers(self) -> None:
        for name in self.inputs:
            self._check(self._context.set_input_shape(name, self._bounds[name][1]))
        for name, dtype in self._types.items():
            shape = tuple(self._context.get_tensor_shape(name))
            if min(shape, default=1) < 0:
                raise MmerError(
                    f"{self._name}: the shape of {name} depends on what goes in, not only on its "
                    "shape: use --provider cuda or cpu"
                )
            self._addresses[name] = self._cuda.allocate(int(np.prod(shape)) * dtype.itemsize)
            self._check(self._context.set_tensor_address(name, self._addresses[name]))

    def _check(self, worked: bool) -> None:
        if not worked:
            raise MmerError(f"TensorRT could not run {self._name}: {self._tensorrt.complaints()}")

    def __del__(self) -> None:
        # at the interpreter's end CUDA may be gone first, and its memory with it
        with suppress(MmerError):
            for address in getattr(self, "_addresses", {}).values():
                self._cuda.free(address)
            if hasattr(self, "_stream"):
                self._cuda.close_stream(self._stream)
