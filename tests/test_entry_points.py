"""Commands as they are installed: light entry modules, and Ctrl-C at any moment of the start."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
SCRIPTS = dict(re.findall(r'^(mmer-[a-z]+) = "(.+)"$', TEXT, re.MULTILINE))
START = """
import sys
from importlib import import_module
sys.argv = [{name!r}, "--help"]
module, _, function = {entry!r}.partition(":")
"""
FOREIGN = """
before = set(sys.modules)
import_module(module)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(loaded - sys.stdlib_module_names - {"mmer"}))
"""
INTERRUPTED = """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "mmer"}:
            raise KeyboardInterrupt

main = getattr(import_module(module), function)
sys.meta_path.insert(0, Finder())
main()
"""


def command(name: str, code: str) -> list[str]:
    return [sys.executable, "-c", START.format(name=name, entry=SCRIPTS[name]) + code]


def test_every_command_is_found() -> None:
    assert len(SCRIPTS) >= 12


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_entry_module_imports_nothing_heavy(name: str) -> None:
    done = subprocess.run(command(name, FOREIGN), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", SCRIPTS)
def test_ctrl_c_while_a_command_loads_is_one_line(name: str) -> None:
    done = subprocess.run(command(name, INTERRUPTED), capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"{name}: ")
