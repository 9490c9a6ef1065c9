"""Open a network on the provider that was asked for."""

from __future__ import annotations

from pathlib import Path

from mmer.models.engine.engine import Engine
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine


def open_engine(path: Path, provider: str = "auto", threads: int = 1) -> Engine:
    """Open the network in an ONNX file.

    Args:
        path: the network.
        provider: a name of ``PROVIDERS``, or "auto" for the best that works.
        threads: how many one call may use on the CPU.

    Raises:
        MmerError: the file cannot be opened; the provider is unknown or cannot run.
    """
    return OnnxRuntimeEngine(path, provider, threads)
