"""Resolution of the core and of each extra, wheels only, for every platform in README.

One line per (extra, platform, Python); exit status 1 where one does not resolve. The markers of
pyproject.toml are evaluated here and not by uv, which knows no release of a foreign kernel. The
kernel tells macOS 15 from 14; the deployment target tells uv which wheels fit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SOURCE_ONLY = "srt"
"""Pure Python that PyPI has as source alone; Vosk needs it, and it needs nothing."""
UV_CONFIGURATION = f'dependency-metadata = [{{ name = "{SOURCE_ONLY}", requires-dist = [] }}]\n'
"""Spares building it once for every platform and Python."""


@dataclass(frozen=True)
class Platform:
    """A machine to resolve for: uv's name of it, and what markers see."""

    name: str
    uv: str
    markers: dict[str, str]
    pythons: tuple[str, ...] = PYTHONS
    macos: str = ""


def _linux(machine: str, glibc: str) -> Platform:
    markers = {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_release": "6.8.0-45-generic",
    }
    name = f"Linux {machine}, glibc {glibc}"
    return Platform(name, f"{machine}-manylinux_{glibc.replace('.', '_')}", markers)


def _macos(version: int, machine: str, pythons: tuple[str, ...] = PYTHONS) -> Platform:
    markers = {
        "sys_platform": "darwin",
        "platform_system": "Darwin",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_release": f"{version + 9}.6.0",  # macOS 13 is Darwin 22, 15 is 24
    }
    uv = {"arm64": "aarch64", "x86_64": "x86_64"}[machine] + "-apple-darwin"
    return Platform(f"macOS {version} {machine}", uv, markers, pythons, f"{version}.0")


WINDOWS = {
    "sys_platform": "win32",
    "platform_system": "Windows",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_release": "11",
}
PLATFORMS = (
    _linux("x86_64", "2.34"),
    _linux("aarch64", "2.35"),
    _macos(14, "arm64"),
    _macos(15, "arm64"),
    _macos(13, "x86_64", PYTHONS[:-1]),
    Platform("Windows x86-64", "x86_64-pc-windows-msvc", WINDOWS),
)


def requirements(project: dict, extra: str, markers: dict[str, str]) -> list[str]:
    """The core's requirements and an extra's ("" for none) that apply where ``markers`` hold."""
    wanted = list(project["dependencies"])
    if extra:
        wanted += project["optional-dependencies"][extra]
    found: list[str] = []
    for line in wanted:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate(markers):
            continue
        if requirement.name == project["name"]:
            for inner in requirement.extras:
                found += requirements(project, inner, markers)
        else:
            requirement.marker = None
            found.append(str(requirement))
    return sorted(set(found))


def resolve(wanted: list[str], platform: Platform, python: str) -> str:
    """The error of resolving ``wanted``; empty where it resolves."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"),
        *("--python-platform", platform.uv, "--python-version", python),
        *("--only-binary", ":all:", "--no-binary", SOURCE_ONLY),
    ]
    environment = {k: v for k, v in os.environ.items() if k != "PIP_CONSTRAINT"}
    if platform.macos:
        environment["MACOSX_DEPLOYMENT_TARGET"] = platform.macos
    with tempfile.TemporaryDirectory() as folder:
        file, configuration = Path(folder, "requirements.in"), Path(folder, "uv.toml")
        file.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        configuration.write_text(UV_CONFIGURATION, encoding="utf-8")
        done = subprocess.run(
            [*command, "--config-file", str(configuration), str(file)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
    return done.stderr.strip() if done.returncode else ""


def resolve_all(project: dict, platform: Platform, python: str) -> dict[str, str]:
    """The error of each extra (empty where it resolves) on one platform and Python.

    What resolves together resolves alone, so that one call is enough where nothing is wrong.
    """
    markers = {**platform.markers, "python_version": python, "python_full_version": python}
    wanted = {
        extra: requirements(project, extra, markers)
        for extra in ("", *project["optional-dependencies"])
    }
    together = sorted({line for lines in wanted.values() for line in lines})
    if not resolve(together, platform, python):
        return dict.fromkeys(wanted, "")
    return {extra: resolve(lines, platform, python) for extra, lines in wanted.items()}


def main() -> int:
    """Resolves everything and prints a line each; status 1 where something does not resolve."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    jobs = [(platform, python) for platform in PLATFORMS for python in platform.pythons]
    rows = failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: resolve_all(project, *job), jobs)
        for (platform, python), errors in zip(jobs, results, strict=True):
            for extra, error in errors.items():
                print(f"{extra or 'core':10} {platform.name:26} {python:5}", end=" ")
                print(f"DOES NOT RESOLVE\n{error}" if error else "resolves", flush=True)
                rows += 1
                failed += bool(error)
    print(f"{failed} of {rows} do not resolve" if failed else f"all {rows} resolve")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
