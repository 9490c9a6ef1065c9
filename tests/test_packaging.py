"""The package as it is installed: complete, light to import, one-way dependencies."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mmer

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("realtime", "models", "training", "benchmarks")
HEAVY = [
    "cv2",
    "av",
    "onnxruntime",
    "mediapipe",
    "sounddevice",
    "vosk",
    "moonshine_voice",
    "torch",
    "rich",
    "tyro",
    "tokenizers",
    "webrtcvad",
    "kaldi_native_fbank",
    "pooch",
    "sklearn",
    "matplotlib",
]


def python_packages() -> set[str]:
    found = {"mmer"}
    for folder in FOLDERS:
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add("mmer." + ".".join(init.parent.relative_to(ROOT).parts))
    return found


def listed_packages() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("\npackages = [", 1)[1].split("]", 1)[0]
    return set(ast.literal_eval(f"[{block}]"))


def test_every_sub_package_is_listed() -> None:
    assert listed_packages() == python_packages()


def test_every_module_lies_in_a_package() -> None:
    for folder in FOLDERS:
        for module in (ROOT / folder).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


def test_import_is_light() -> None:
    code = (
        # processor time: what else the machine does is none of our business
        "import json, sys, time; began = time.process_time(); import mmer; "
        "took = time.process_time() - began; "
        f"print(json.dumps([took, [m for m in {HEAVY!r} if m in sys.modules]]))"
    )
    runs = [
        json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        )
        for _ in range(3)
    ]
    assert runs[0][1] == []
    assert min(took for took, _ in runs) < 0.5


def test_nothing_but_mmer_is_installed_at_the_top() -> None:
    code = (
        "import importlib.util as u; "
        "print([n for n in ('models', 'training', 'realtime', 'benchmarks') if u.find_spec(n)])"
    )
    out = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True, cwd="/"
    )
    assert out.stdout.strip() == "[]"


def imports_of(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return names


@pytest.mark.parametrize(
    ("folder", "forbidden", "allowed"),
    [
        ("models", ("mmer.realtime", "mmer.training", "mmer.benchmarks"), ()),
        ("realtime", ("mmer.training", "mmer.benchmarks", "mmer.models.networks", "torch"), ()),
        # transcribes corpora with the engines of the live recognizer
        ("training", ("mmer.realtime", "mmer.benchmarks"), ("mmer.realtime.asr",)),
        # judges the recognizer as it runs, and on machines without torch
        ("training/evaluation", ("mmer.benchmarks", "mmer.models.networks", "torch"), ()),
        # engines, which training uses: no blocks, sources or sinks come with them
        (
            "realtime/asr",
            ("mmer.realtime.blocks", "mmer.realtime.sources", "mmer.realtime.sinks"),
            (),
        ),
    ],
)
def test_dependencies_point_one_way(
    folder: str, forbidden: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    for module in (ROOT / folder).rglob("*.py"):
        if folder == "training" and ROOT / "training/evaluation" in module.parents:
            continue
        if (
            module == ROOT / "training/datasets/signals.py"
        ):  # finds faces and opens containers as live
            continue
        for name in imports_of(module):
            if not name.startswith(allowed):
                assert not name.startswith(forbidden), f"{module} imports {name}"


def test_the_version_is_one() -> None:
    assert f'version = "{mmer.__version__}"' in (ROOT / "pyproject.toml").read_text()
