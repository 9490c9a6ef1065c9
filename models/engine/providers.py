"""Providers: the names of ``--provider``, their back ends, and how to get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

EXECUTION_PROVIDERS: Final[Mapping[str, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "ort-tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Our names for what ONNX Runtime has, and its own."""

Provider: TypeAlias = Literal[
    "auto", "cpu", "cuda", "tensorrt", "ort-tensorrt", "coreml", "directml"
]
"""Values of ``--provider``. "tensorrt" is TensorRT itself, by its own Python package."""
PROVIDERS: Final[tuple[str, ...]] = get_args(Provider)[1:]
"""What an engine may run on."""

AUTO: Final[tuple[str, ...]] = ("tensorrt", "cuda", "directml", "cpu")
"""What "auto" tries, best first: a GPU that somebody installed a package for, then the CPU.

TensorRT only where a plan of the network has been built before: building takes minutes. Not Core
ML: it comes with every onnxruntime on a Mac, and nobody has measured that it gains on networks that
a CPU runs in a few milliseconds. Not ONNX Runtime's TensorRT, which builds at the first call.
"""

_GPU_PACKAGE: Final = (
    "put onnxruntime-gpu in the place of onnxruntime (pip uninstall -y onnxruntime && "
    "pip install onnxruntime-gpu; on a Jetson see models/engine/README.md in the repository)"
)
HOW_TO_GET: Final[Mapping[str, str]] = {
    "cpu": "install onnxruntime again: pip install --force-reinstall onnxruntime",
    "cuda": _GPU_PACKAGE,
    "ort-tensorrt": _GPU_PACKAGE,
    "coreml": "it comes with onnxruntime on macOS alone",
    "directml": (
        "put onnxruntime-directml in the place of onnxruntime, on Windows (pip uninstall -y "
        "onnxruntime && pip install onnxruntime-directml)"
    ),
}
"""What to do where ONNX Runtime lacks a provider."""
