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
    "pympi",
    "webvtt",
    "pyarrow",
    "pylsl",
    "pythonosc",
    "paho",
    "starlette",
    "uvicorn",
    "websockets",
    "ray",
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


MODULES = {
    ".".join(("mmer", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
}


def imports_of(path: Path, *, when_loaded: bool = False) -> set[str]:
    """Names of the modules that a file imports; ``when_loaded``: without those in functions.

    Of this project's, the module itself where ``from package import module`` names one.
    """
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found = whole & set(MODULES)
            names.update(found)
            if found != whole:
                names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if when_loaded and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        if when_loaded and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return names


# From each folder, the folders of the same top-level folder that its modules may import, besides
# itself and the modules directly in the top-level folder. What is not named is not allowed.
ARROWS = {
    "models": "cards engine preparation",
    "models/cards": "engine",
    "models/engine": "cards engine/tensorrt preparation",
    "models/engine/tensorrt": "engine store",
    "models/networks": "networks/encoders networks/fusions",
    "models/networks/encoders": "networks preparation",
    "models/networks/fusions": "networks/encoders networks/shipped",
    "models/networks/shipped": "networks preparation",
    "models/preparation": "cards engine",
    "models/store": "",
    "models/weights": "",
    "realtime": "asr blocks blocks/fusion sinks sources",
    "realtime/asr": "",  # engines, which training uses: no blocks, sources or sinks
    "realtime/batch": "exports sinks sources",
    "realtime/blocks": "asr",
    "realtime/blocks/fusion": "blocks",
    "realtime/commands": "asr batch demo exports serve sinks",
    "realtime/demo": "",
    "realtime/examples": "",
    "realtime/exports": "sinks",
    "realtime/serve": "asr exports sinks sources",
    "realtime/serve/examples": "serve",
    "realtime/sinks": "exports sources",
    "realtime/sources": "",
    "training": "",
    "training/augment": "datasets",
    "training/commands": "datasets evaluation export loop metrics multimodal recipes report tasks",
    "training/datasets": "",
    "training/evaluation": "augment datasets metrics",
    "training/export": "datasets loop metrics multimodal recipes tasks",
    "training/loop": "metrics recipes tasks",
    "training/metrics": "datasets",
    "training/multimodal": "datasets loop metrics recipes report tasks",
    "training/recipes": "",
    "training/report": "evaluation loop metrics",
    "training/studies": "datasets loop metrics recipes tasks",
    "training/tasks": "augment datasets recipes",
}
# top-level folders: each may import those before it
LEVELS = ("models", "realtime", "training", "benchmarks")
TORCH = ("torch", "mmer.models.networks")
WITHOUT_TORCH = ("realtime", "training/datasets", "training/evaluation", "training/metrics")


def folder_of(path: Path) -> str:
    return path.parent.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("folder", ARROWS)
def test_imports_follow_the_allowed_arrows(folder: str) -> None:
    top = folder.split("/")[0]
    below = set(LEVELS[: LEVELS.index(top)])
    allowed = {folder, top, *(f"{top}/{name}" for name in ARROWS[folder].split())}
    for path in (ROOT / folder).glob("*.py"):
        for name in imports_of(path) & set(MODULES):
            target = folder_of(MODULES[name])
            known = target in allowed or target.split("/")[0] in below
            assert known, f"{path.relative_to(ROOT)} imports {name}: no arrow to {target}"


def test_every_folder_has_its_arrows() -> None:
    """``benchmarks`` is above all others: its folders may import each other's modules."""
    folders = {folder_of(path) for path in MODULES.values()}
    assert {folder for folder in folders if not folder.startswith("benchmarks")} == set(ARROWS)


def test_only_training_imports_the_networks() -> None:
    for path in MODULES.values():
        folder = folder_of(path)
        if not folder.startswith(("training", "models/networks")) or folder in WITHOUT_TORCH:
            for name in imports_of(path):
                assert not name.startswith(TORCH[1]), f"{path} imports {name}"


@pytest.mark.parametrize("folder", WITHOUT_TORCH)
def test_what_runs_live_or_evaluates_needs_no_torch(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for name in imports_of(path):
            assert not name.startswith(TORCH), f"{path} imports {name}"


def test_there_is_no_import_cycle() -> None:
    """Over all files of the project: imports that run when a module is loaded."""
    graph = {
        name: imports_of(path, when_loaded=True) & set(MODULES) for name, path in MODULES.items()
    }
    while free := {name for name, targets in graph.items() if not targets & set(graph)}:
        graph = {name: targets for name, targets in graph.items() if name not in free}
    # what is left lies on a cycle or between two
    while ends := set(graph) - set().union(*graph.values()):
        graph = {name: targets for name, targets in graph.items() if name not in ends}
    assert not graph, f"import cycle among {', '.join(sorted(graph))}"


def test_the_version_is_one() -> None:
    assert f'version = "{mmer.__version__}"' in (ROOT / "pyproject.toml").read_text()
