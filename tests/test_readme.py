"""What the README says can be run is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmer.benchmarks.accuracy.render import page, readme_part

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ACCURACY = ROOT / "benchmarks/accuracy.json"


def python_examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_examples_are_python() -> None:
    assert len(python_examples()) >= 2
    for example in python_examples():
        compile(example, "README.md", "exec")


@pytest.mark.slow
def test_the_example_on_the_demo_clip_runs_as_it_stands(tmp_path: Path) -> None:
    (example,) = [text for text in python_examples() if "clip()" in text]
    done = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=True,
    )
    assert len(done.stdout.splitlines()) >= 5


@pytest.mark.slow
def test_the_line_is_one_of_the_demo() -> None:
    (line,) = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    command = ["--demo", "--pace", "max", "--quiet", "--output", "-"]
    done = subprocess.run(
        [sys.executable, "-c", "from mmer.realtime.commands.live import main; main()", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    shown, close = json.loads(line), pytest.approx
    (said,) = [
        found
        for found in map(json.loads, done.stdout.splitlines())
        if found.get("final") and found["utterance"] == shown["utterance"]
    ]
    assert said.keys() == shown.keys()
    assert said["label"] == shown["label"]
    assert said["probs"] == close(shown["probs"], abs=0.02)  # another processor, another last bit


def test_the_two_commands_are_one_line_each() -> None:
    lines = README.splitlines()
    assert sum(line.endswith("&& .venv/bin/mmer-live --demo") for line in lines) == 1
    assert sum("&& .venv/bin/pytest" in line for line in lines) == 1


@pytest.mark.skipif(not ACCURACY.exists(), reason="the accuracy has not been measured yet")
def test_the_accuracy_table_is_what_was_measured() -> None:
    report = json.loads(ACCURACY.read_text(encoding="utf-8"))
    assert readme_part(report) in ACCURACY.with_name("README.md").read_text(encoding="utf-8")
    assert page(report) == ACCURACY.with_name("ACCURACY.md").read_text(encoding="utf-8")
