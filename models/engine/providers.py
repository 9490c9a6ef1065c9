"""The names of ``--provider`` and what each stands for."""

from __future__ import annotations

from typing import Final

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""``--provider`` names and ONNX Runtime's names for them, slowest first."""
