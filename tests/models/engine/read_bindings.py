"""Read the names and signatures of TensorRT's real Python bindings, without TensorRT's libraries.

The bindings are a wheel of their own, small enough to fetch anywhere; the libraries, gigabytes for
one kind of GPU, are needed to run and not to look. Libraries that hold nothing but the eleven
functions which the bindings are linked to stand in (``gcc`` makes them)::

    pip download --no-deps tensorrt-cu12-bindings==10.3.0   # what JetPack 6 brings; unzip it
    python read_bindings.py UNZIPPED [UNZIPPED...] > tensorrt_api.json

The file it writes is what the doubles are held against (``test_doubles.py``).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CLASSES = (
    *("ILogger", "Logger", "Builder", "IBuilderConfig", "INetworkDefinition", "OnnxParser"),
    *("ParserError", "IOptimizationProfile", "ITimingCache", "IHostMemory", "IProgressMonitor"),
    *("IInt8EntropyCalibrator2", "Runtime", "ICudaEngine", "IExecutionContext"),
    *("ITensor", "ILayer", "IElementWiseLayer"),
)
ENUMS = (
    *("BuilderFlag", "DataType", "ElementWiseOperation", "LayerType", "MemoryPoolType"),
    *("NetworkDefinitionCreationFlag", "TensorIOMode"),
)
STAND_INS = """
#define F(name) void *name(void) { return 0; }
F(createInferBuilder_INTERNAL) F(createInferRefitter_INTERNAL) F(createInferRuntime_INTERNAL)
F(createNvOnnxParser_INTERNAL) F(createNvOnnxParserRefitter_INTERNAL) F(getNvOnnxParserVersion)
F(getBuilderPluginRegistry) F(getPluginRegistry) F(initLibNvInferPlugins)
"""


def signatures(doc: str | None, name: str) -> list[list[str]]:
    """Parameter names of each overload, from a pybind11 docstring; one with a default ends in =."""
    found = []
    for given in re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> ", doc or "", re.MULTILINE):
        if given == "*args, **kwargs":
            continue
        depth, parts, part = 0, [], ""
        for letter in given:
            depth += {"[": 1, "(": 1, "<": 1, "]": -1, ")": -1, ">": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                parts.append(part)
                part = ""
            else:
                part += letter
        names = [
            p.split(":")[0].strip() + ("=" if re.search(r" = ", p) else "")
            for p in [*parts, part]
            if p
        ]
        found.append([n for n in names if n != "self"])
    return found


def read(bindings: Any) -> dict[str, Any]:
    """Every public member of ``CLASSES`` and ``ENUMS``, and the module's own functions."""
    classes: dict[str, Any] = {}
    for name in CLASSES:
        kind = getattr(bindings, name, None)
        if kind is None:
            continue
        members: dict[str, Any] = {"__init__": signatures(kind.__init__.__doc__, "__init__")}
        for base in reversed(kind.__mro__[:-1]):
            for member, value in vars(base).items():
                if member.startswith("_"):
                    continue
                if isinstance(value, property):
                    members[member] = "property" if value.fset else "read-only"
                elif callable(value):
                    members[member] = signatures(value.__doc__, member)
        classes[name] = members
    enums = {n: sorted(getattr(bindings, n).__members__) for n in ENUMS}
    return {"classes": classes, "enums": enums, "functions": ["nptype", "volume"]}


def main(folders: list[str]) -> None:
    """Print what the bindings in each folder offer, by TensorRT's version."""
    if len(folders) == 1 and os.environ.get("LD_LIBRARY_PATH", "").endswith("stand-ins"):
        sys.path.insert(0, folders[0])
        import tensorrt_bindings  # type: ignore[import-not-found]

        assert all(hasattr(tensorrt_bindings, name) for name in ("nptype", "volume"))
        print(json.dumps({tensorrt_bindings.__version__: read(tensorrt_bindings)}))
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        libraries = Path(scratch) / "stand-ins"
        libraries.mkdir()
        source = libraries / "stand_ins.c"
        source.write_text(STAND_INS)
        for major in (10, 11):
            for library in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
                file = f"lib{library}.so.{major}"
                subprocess.run(
                    ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{file}", "-o", file, source.name],
                    cwd=libraries,
                    check=True,
                )
        for folder in folders:
            found |= json.loads(
                subprocess.run(
                    [sys.executable, __file__, folder],
                    env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
                    stdout=subprocess.PIPE,
                    check=True,
                ).stdout
            )
    print(json.dumps(found, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
