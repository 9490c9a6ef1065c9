"""The doubles offer nothing that the real bindings do not; both are read from the same place."""

from __future__ import annotations

import enum
import inspect
import json
from pathlib import Path
from typing import Any

import fake_tensorrt
import pytest
import read_bindings
from fake_cuda import FakeCuda

API: dict[str, Any] = json.loads(
    (Path(__file__).parent / "tensorrt_api.json").read_text(encoding="utf-8")
)
VERSIONS = ("10.3.0", "10.13.3.9", "11.4.0.106")
"""What JetPack 6 brings, what JetPack 7 brings, and what pip installs."""
OURS = {"IHostMemory": set(dir(bytes))}
"""What a double has of its Python base and the real one does not."""


def differences(double: Any, api: dict[str, Any]) -> list[str]:
    """What the double has and the real package does not, or takes by other names."""
    found = []
    for name, value in vars(double).items():
        if name in ("__version__", "__spec__", *api["functions"]):
            continue
        if isinstance(value, type) and issubclass(value, enum.Enum):
            extra = set(value.__members__) - set(api["enums"][name])
            found += [f"{name}.{e}" for e in extra]
            continue
        members = api["classes"].get(name)
        if members is None:
            found.append(name)
            continue
        for member in sorted(
            {m for m in dir(value) if not m.startswith("_")} - OURS.get(name, set())
        ):
            ours = inspect.getattr_static(value, member)
            if member not in members:
                found.append(f"{name}.{member}")
            elif inspect.isfunction(ours):
                takes = inspect.signature(ours).parameters.values()
                taken = [
                    p.name + ("=" if p.default is not p.empty else "")
                    for p in takes
                    if p.name != "self"
                ]
                if taken not in members[member]:
                    found.append(f"{name}.{member}({', '.join(taken)})")
            elif isinstance(ours, property) and members[member] not in ("property", "read-only"):
                found.append(f"{name}.{member} is no property")
            elif inspect.ismemberdescriptor(ours) and members[member] != "property":
                found.append(f"{name}.{member} cannot be set")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_double_of_tensorrt_has_only_what_the_real_bindings_have(version: str) -> None:
    assert differences(fake_tensorrt.make(version), API[version]) == []


def test_what_is_not_there_is_found() -> None:
    ten, eleven = fake_tensorrt.make("10.3.0"), API["11.4.0.106"]

    found = differences(ten, eleven)

    assert "BuilderFlag.FP16" in found
    assert "IBuilderConfig.int8_calibrator" in found
    assert "IInt8EntropyCalibrator2" in found
    assert "ILayer.set_output_type" in found


def test_an_attribute_that_does_not_exist_cannot_be_set() -> None:
    trt = fake_tensorrt.make("11.4.0.106")
    logger = trt.ILogger()
    config = trt.Builder(logger).create_builder_config()

    with pytest.raises(AttributeError):
        config.int8_calibrator = None


def test_the_installed_tensorrt_has_all_that_the_double_has() -> None:
    real = pytest.importorskip("tensorrt", reason="TensorRT's bindings are not installed")

    assert differences(fake_tensorrt.make(real.__version__), read_bindings.read(real)) == []


def test_the_installed_cuda_python_takes_what_the_double_takes() -> None:
    real = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")

    for name, ours in vars(FakeCuda).items():
        if name.startswith("cuda") and inspect.isfunction(ours):
            takes = [p for p in inspect.signature(ours).parameters if p != "self"]
            words = (getattr(real, name).__doc__ or "").splitlines()[0]
            for parameter in takes:
                assert parameter in words, f"{name}: {parameter} is not in {words}"
            assert words.count(",") == max(0, len(takes) - 1)
    for kind in (FakeCuda.cudaError_t, FakeCuda.cudaMemcpyKind):
        for member in kind:
            assert getattr(getattr(real, kind.__name__), member.name).value == member.value


def test_signatures_are_read_from_docstrings() -> None:
    words = """set_input_shape(*args, **kwargs)
Overloaded function.

1. set_input_shape(self: a.B, name: str, shape: tuple[int, int]) -> bool

2. set_input_shape(self: a.B, name: str, shape: a.Dims = <Dims: 0>) -> bool
"""
    assert read_bindings.signatures(words, "set_input_shape") == [
        ["name", "shape"],
        ["name", "shape="],
    ]
