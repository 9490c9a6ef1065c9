"""The ``tensorrt`` package: import, version check, one logger."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any

from mmer.models.errors import MmerError

HOW_TO_GET = (
    "on a Jetson: apt install python3-libnvinfer, and a venv made with --system-site-packages "
    "(models/engine/README.md in the repository); elsewhere: pip install tensorrt onnx "
    "'cuda-python>=13,<14' (>=12,<13 with a driver for CUDA 12); or use --provider auto"
)


@dataclass(frozen=True)
class TensorRT:
    """The package and the one logger that it may be given in a process."""

    module: Any
    version: str
    logger: Any

    @property
    def major(self) -> int:
        """10 or above. From 11 on every network is strongly typed: its precision is its graph's."""
        return int(self.version.split(".")[0])

    def start(self, kind: str) -> Any:
        """A new "Builder" or "Runtime".

        Raises:
            MmerError: there is none without a GPU and its driver.
        """
        try:
            return getattr(self.module, kind)(self.logger)
        except TypeError as error:  # pybind11's, for a null pointer
            raise MmerError(
                f"TensorRT {self.version} cannot start here: {self.complaints()}; see that the "
                "NVIDIA driver is as new as its CUDA, or use --provider cpu"
            ) from error

    def complaints(self) -> str:
        """What it logged as errors since it was last asked, for a message."""
        errors = self.logger.taken()
        return "; ".join(errors) if errors else "TensorRT did not say why"


def installed() -> bool:
    """Whether the package is there at all: a look, not an import, which takes a second."""
    return importlib.util.find_spec("tensorrt") is not None


@cache
def load() -> TensorRT:
    """Import the package.

    Raises:
        MmerError: it is not there, cannot be loaded, or is older than 10.
    """
    try:
        import tensorrt
    except ImportError as error:
        raise MmerError(
            f"TensorRT's Python package cannot be loaded ({error}): {HOW_TO_GET}"
        ) from error
    version = str(tensorrt.__version__)
    if int(version.split(".")[0]) < 10:
        raise MmerError(f"TensorRT {version} is too old: mmer is written for 10 and 11")
    return TensorRT(tensorrt, version, _new_logger(tensorrt))


def _new_logger(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]
        """Keeps errors for the message that the user gets; TensorRT calls it from any thread."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._kept: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self._kept.append(msg)

        def taken(self) -> list[str]:
            lines, self._kept = self._kept, []
            return lines

    return Log()
