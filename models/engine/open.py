"""Opening of a network on a named provider, or on the best that works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmer.models.engine.engine import Engine
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.providers import AUTO, PROVIDERS
from mmer.models.engine.shapes import Lengths
from mmer.models.errors import MmerError


@dataclass(frozen=True)
class Choice:
    """What "auto" took, and why not what would have been better."""

    engine: Engine
    passed_over: tuple[tuple[str, str], ...]
    """Provider and reason, best first."""


def open_engine(
    path: Path, provider: str = "auto", threads: int = 1, lengths: Lengths | None = None
) -> Engine:
    """Open the network in an ONNX file and make a first call.

    Args:
        path: the network.
        provider: a name of ``PROVIDERS``, or "auto" for the best that works. "tensorrt" builds a
            plan where there is none, which takes minutes; "auto" does not.
        threads: how many one call may use on the CPU.
        lengths: of the axis that is not fixed, where there is one; TensorRT needs them.

    Raises:
        MmerError: the file cannot be opened; the provider is unknown or cannot run.
    """
    if provider == "auto":
        return open_best(path, threads, lengths).engine
    if provider not in PROVIDERS:
        raise MmerError(f"unknown provider {provider!r}: use auto, {', '.join(PROVIDERS)}")
    if provider == "tensorrt":
        from mmer.models.engine.tensorrt.opening import open_tensorrt

        return open_tensorrt(path, lengths)
    return OnnxRuntimeEngine(path, provider, threads, lengths)


def open_best(path: Path, threads: int = 1, lengths: Lengths | None = None) -> Choice:
    """Open on the first of ``AUTO`` that works, with the reasons why the ones before it do not.

    Raises:
        MmerError: not even the CPU can run it.
    """
    passed_over: list[tuple[str, str]] = []
    for provider in AUTO[:-1]:
        try:
            if provider == "tensorrt":
                from mmer.models.engine.tensorrt.opening import open_built

                return Choice(open_built(path, lengths), tuple(passed_over))
            engine = OnnxRuntimeEngine(path, provider, threads, lengths)
            return Choice(engine, tuple(passed_over))
        except MmerError as reason:
            passed_over.append((provider, str(reason)))
    return Choice(OnnxRuntimeEngine(path, AUTO[-1], threads, lengths), tuple(passed_over))
