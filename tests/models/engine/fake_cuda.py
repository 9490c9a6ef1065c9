"""A double of ``cuda.bindings.runtime``: the functions that are documented, memory that is real.

"Device" memory is the process's own, so that the double of TensorRT can compute in it. A copy that
leaves its allocation, a double free and a wrong stream are errors, as on a GPU or worse.
"""

from __future__ import annotations

import ctypes
import enum
from types import SimpleNamespace
from typing import Any


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class FakeCuda:
    """Stands where the module would; ``fails`` makes the next call of a function fail."""

    cudaError_t = cudaError_t
    cudaMemcpyKind = cudaMemcpyKind

    def __init__(self, name: bytes = b"Orin", major: int = 8, minor: int = 7) -> None:
        self.device = SimpleNamespace(name=name, major=major, minor=minor)
        self.memory: dict[int, Any] = {}
        self.streams: set[int] = set()
        self.fails: set[str] = set()

    def _status(self, name: str) -> cudaError_t:
        if name in self.fails:
            self.fails.discard(name)
            return cudaError_t.cudaErrorMemoryAllocation
        return cudaError_t.cudaSuccess

    def cudaGetDeviceProperties(self, device: int) -> tuple[cudaError_t, Any]:
        assert device == 0
        return self._status("cudaGetDeviceProperties"), self.device

    def cudaGetErrorString(self, error: cudaError_t) -> tuple[cudaError_t, bytes]:
        return cudaError_t.cudaSuccess, error.name.encode()

    def cudaMalloc(self, size: int) -> tuple[cudaError_t, int | None]:
        status = self._status("cudaMalloc")
        if status:
            return status, None
        block = ctypes.create_string_buffer(size)
        address = ctypes.addressof(block)
        self.memory[address] = block
        return status, address

    def cudaFree(self, devPtr: int) -> tuple[cudaError_t]:
        if self.memory.pop(devPtr, None) is None:
            return (cudaError_t.cudaErrorInvalidValue,)
        return (self._status("cudaFree"),)

    def cudaStreamCreate(self) -> tuple[cudaError_t, int]:
        stream = 1000 + len(self.streams)
        self.streams.add(stream)
        return self._status("cudaStreamCreate"), stream

    def cudaStreamDestroy(self, stream: int) -> tuple[cudaError_t]:
        self.streams.remove(stream)
        return (self._status("cudaStreamDestroy"),)

    def cudaStreamSynchronize(self, stream: int) -> tuple[cudaError_t]:
        assert stream in self.streams
        return (self._status("cudaStreamSynchronize"),)

    def cudaMemcpyAsync(
        self, dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[cudaError_t]:
        assert stream in self.streams
        device = dst if kind == cudaMemcpyKind.cudaMemcpyHostToDevice else src
        block = self.memory.get(device)
        if block is None or count > len(block):
            return (cudaError_t.cudaErrorInvalidValue,)
        ctypes.memmove(dst, src, count)
        return (self._status("cudaMemcpyAsync"),)
