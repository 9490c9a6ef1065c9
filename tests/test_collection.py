"""Collection of the whole suite where optional packages are missing: skips, never errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EVAL = ("jellyfish", "matplotlib", "psutil", "scipy", "sklearn")
OUTPUTS = ("paho", "pyarrow", "pylsl", "pympi", "pythonosc", "webvtt")
TRAIN = ("accelerate", "librosa", "onnxscript", "opensmile", "skimage", "torch", "transformers")
SERVE = ("cryptography", "fastapi", "multipart", "prometheus_client", "starlette", "uvicorn")
REST = (
    "cuda", "h5py", "mediapipe", "moonshine_voice", "onnx", "ray", "sounddevice", "tensorrt",
    "vosk",
)  # fmt: skip
"""Import names of the extras' packages, and of what lacks a wheel or a library somewhere."""

COLLECT = """
import sys

missing = set(sys.argv[1].split(","))


class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import pytest

sys.exit(pytest.main(["--collect-only", "-q", "-m", "", "-p", "no:cacheprovider", "tests"]))
"""
"""As in an environment where pip never installed ``argv[1]``."""


def collect_without(*packages: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, ",".join(packages)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "packages", [TRAIN, (*EVAL, *SERVE, *OUTPUTS, *REST)], ids=["training", "all but training"]
)
def test_without_one_group(packages: tuple[str, ...]) -> None:
    """A skip for want of torch must not hide that onnx is imported too, nor the other way round.

    What is collected in both cases is collected without all of them too.
    """
    collect_without(*packages)
