"""What the README says can be run is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from moonshine_files import moonshine_files

from mmer.benchmarks.accuracy.render import page, readme_part
from mmer.models.labels import MODALITIES
from mmer.realtime.demo import clip

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


@pytest.fixture(scope="module")
def demo_lines() -> list[dict[str, Any]]:
    """What the command writes of the demo clip."""
    moonshine_files()
    command = ["--demo", "--pace", "max", "--quiet", "--output", "-"]
    done = subprocess.run(
        [sys.executable, "-c", "from mmer.realtime.commands.live import main; main()", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_the_demo_shows_face_voice_and_words(demo_lines: list[dict[str, Any]]) -> None:
    finals = [line for line in demo_lines if line["type"] == "emotion" and line["final"]]
    assert len(finals) >= 4
    for modality in MODALITIES:
        assert any(line["modalities"][modality] for line in finals), modality
    said = " ".join(line["text"] for line in demo_lines if line["type"] == "utterance")
    card = json.loads(clip().with_suffix(".json").read_text())
    truth = {word for s in card["sentences"] for word in s["text"].lower().strip(".!?").split()}
    heard = {word.strip(".,?!").lower() for word in said.split()}
    assert len(truth & heard) >= 0.9 * len(truth)
    times = [line["t"] for line in demo_lines if "t" in line]
    assert times == sorted(times)
    assert all(line["latency_ms"] is None for line in demo_lines if line["type"] == "emotion")


@pytest.mark.slow
def test_the_line_is_one_of_the_demo(demo_lines: list[dict[str, Any]]) -> None:
    (line,) = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    shown, close = json.loads(line), pytest.approx
    (said,) = [
        found
        for found in demo_lines
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
