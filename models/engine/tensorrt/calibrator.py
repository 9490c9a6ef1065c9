"""int8 calibrator of TensorRT 10: inputs from which it measures the range of each tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmer.models.engine.precision import Inputs
from mmer.models.engine.tensorrt.cuda import Cuda


def new_calibrator(
    trt: Any, cuda: Cuda, calibration: Sequence[Inputs], shapes: Mapping[str, tuple[int, ...]]
) -> Any:
    """TensorRT's ``IInt8EntropyCalibrator2`` over ``calibration``, each brought to ``shapes``.

    A calibrated network has one shape (the profile's usual one): longer inputs are cut, shorter
    ones repeated.
    """

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._rest = iter(calibration)
            self._stream = cuda.stream()
            self._buffers: dict[str, int] = {}

        def get_batch_size(self) -> int:
            return next(iter(shapes.values()))[0]

        def get_batch(self, names: Sequence[str]) -> list[int] | None:
            inputs = next(self._rest, None)
            if inputs is None:
                return None
            for name in names:
                array = fitted(inputs[name], shapes[name])
                if name not in self._buffers:
                    self._buffers[name] = cuda.allocate(array.nbytes)
                cuda.to_device(self._buffers[name], array, self._stream)
                cuda.wait(self._stream)
            return [self._buffers[name] for name in names]

        def read_calibration_cache(self) -> None:
            """None: what was measured before is of no use, the plan itself is kept."""

        def write_calibration_cache(self, cache: object) -> None:
            """Not kept, as above."""

        def close(self) -> None:
            for address in self._buffers.values():
                cuda.free(address)
            cuda.close_stream(self._stream)

    return Calibrator()


def fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An input cut or repeated along each axis to a shape, contiguous."""
    for axis, size in enumerate(shape):
        repeats = -(-size // array.shape[axis])
        array = np.take(np.concatenate([array] * repeats, axis), range(size), axis)
    return np.ascontiguousarray(array)
