"""CUDA runtime calls, by ``cuda-python``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mmer.models.errors import MmerError


@dataclass(frozen=True)
class Gpu:
    """What a plan is built for."""

    name: str
    capability: str  # such as "8.7"


class Cuda:
    """Device 0. Addresses and streams are plain integers.

    Raises:
        MmerError: from every method, where CUDA reports an error.
    """

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def gpu(self) -> Gpu:
        """The device that a plan is built for and runs on."""
        found = self._call("cudaGetDeviceProperties", 0)
        return Gpu(found.name.decode().strip("\0 "), f"{found.major}.{found.minor}")

    def allocate(self, size: int) -> int:
        """So many bytes of the device's memory."""
        return int(self._call("cudaMalloc", max(1, size)))

    def free(self, address: int) -> None:
        """Give memory back."""
        self._call("cudaFree", address)

    def stream(self) -> int:
        """A new stream: what is put into it runs in that order."""
        return int(self._call("cudaStreamCreate"))

    def close_stream(self, stream: int) -> None:
        """End a stream."""
        self._call("cudaStreamDestroy", stream)

    def wait(self, stream: int) -> None:
        """Until all that was put into the stream is done."""
        self._call("cudaStreamSynchronize", stream)

    def to_device(self, address: int, array: np.ndarray, stream: int) -> None:
        """Copy a contiguous array in; it must live until ``wait``."""
        self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice", stream)

    def to_host(self, array: np.ndarray, address: int, stream: int) -> None:
        """Copy into a contiguous array; it is filled after ``wait``."""
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost", stream)

    def _copy(self, to: int, source: int, size: int, kind: str, stream: int) -> None:
        direction = getattr(self._runtime.cudaMemcpyKind, kind)
        self._call("cudaMemcpyAsync", to, source, size, direction, stream)

    def _call(self, name: str, *arguments: Any) -> Any:
        """The second part of what a function returns, where there is one."""
        try:
            status, *found = getattr(self._runtime, name)(*arguments)
        except RuntimeError as error:  # older cuda-python, where the driver's library is missing
            raise MmerError(f"CUDA cannot be used: {error}; is there an NVIDIA driver?") from error
        if status != self._runtime.cudaError_t.cudaSuccess:
            _, words = self._runtime.cudaGetErrorString(status)
            raise MmerError(
                f"CUDA: {name} failed: {words.decode()}; see that the NVIDIA driver works and the "
                "GPU has memory left, or use --provider cpu"
            )
        return found[0] if found else None


@cache
def load() -> Cuda:
    """Import ``cuda-python``, of CUDA 13 or 12, and see that there is a device.

    Raises:
        MmerError: it is not installed, or there is no driver or device.
    """
    try:
        from cuda.bindings import runtime
    except ImportError:
        try:
            from cuda import cudart as runtime  # cuda-python before 12.6
        except ImportError as error:
            raise MmerError(
                "TensorRT needs cuda-python of the same CUDA as the driver: pip install "
                "'cuda-python>=12,<13' on JetPack 6 (CUDA 12), 'cuda-python>=13,<14' on JetPack 7; "
                "or use --provider cuda or cpu"
            ) from error
    cuda = Cuda(runtime)
    cuda.gpu()
    return cuda
