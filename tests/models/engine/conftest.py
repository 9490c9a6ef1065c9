"""TensorRT and CUDA by their doubles, and a cache of plans that is the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_cuda import FakeCuda
from machine_double import Machine

from mmer.models.engine.tensorrt import cuda, library
from mmer.models.engine.tensorrt.plans import Plans


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Puts the doubles where the packages would be; called again, the machine has changed."""
    import fake_tensorrt  # here, for it skips where onnx is missing: a conftest must not

    monkeypatch.setenv("MMER_HOME", str(tmp_path / "home"))
    log: list[str] = []

    def put(version: str = "10.3.0", **device: Any) -> Machine:
        trt, runtime = fake_tensorrt.make(version, log), FakeCuda(**device)
        library.load.cache_clear()
        cuda.load.cache_clear()
        package = type("cuda.bindings", (), {"runtime": runtime})
        for name, module in (
            ("tensorrt", trt),
            ("cuda", type("cuda", (), {"bindings": package})),
            ("cuda.bindings", package),
        ):
            monkeypatch.setitem(__import__("sys").modules, name, module)
        return Machine(trt, runtime, log, Plans())

    yield put
    library.load.cache_clear()
    cuda.load.cache_clear()


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network of a sound."""
    import tiny_onnx

    return tiny_onnx.sound(tmp_path / "speech.onnx")
