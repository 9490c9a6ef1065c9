"""Description of the machine, versions and commit behind a figure."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from mmer.models.errors import MmerError
from mmer.models.machine import cpu_name

PACKAGES: Final = ("mmer-live", "numpy", "onnxruntime", "mediapipe", "opencv-contrib-python",
                   "moonshine-voice", "vosk", "av")  # fmt: skip


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, load, system, Python, versions, commit and date, for JSON."""
    psutil = load_psutil()
    return {
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=True),
        "cores_allowed": allowed_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(psutil.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def load_psutil() -> Any:
    """The psutil module; MmerError names the extra that brings it."""
    try:
        import psutil
    except ImportError as error:
        raise MmerError("mmer-bench needs psutil: pip install 'mmer-live[eval]'") from error
    return psutil


def commit() -> str | None:
    """The git commit that this code lies in, "+" after it where files have changed; else None."""
    here = Path(__file__).resolve()
    try:
        # a package installed into a virtual environment inside some repository is not of it
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        changed = _git(here.parent, "status", "--porcelain", "--untracked-files=no")
        return _git(here.parent, "rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def allowed_cores() -> int | None:
    """Processor cores that this process may use; None where the system has no such list."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
