"""Watching a process: its time, its memory, its failure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mmer.benchmarks.harness.process import time_to_labels, watch
from mmer.models.errors import MmerError


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_time_and_memory_of_a_process(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, time; x = bytearray(60 << 20); "
        f"pathlib.Path({str(ready)!r}).touch(); del x; time.sleep(0.6)"
    )
    found = watch(python(code), ready=ready.exists)
    assert found.wall_s >= 0.6
    assert found.ready_s is not None
    assert found.ready_s < found.wall_s - 0.4
    assert found.peak_mb > 60
    assert found.memory
    assert found.samples[-1].threads >= 1
    assert found.samples[-1].handles >= 3


BUSY = """
import time
while time.process_time() < 0.5:
    pass
time.sleep(0.7)
"""


def test_what_its_children_cost_is_its_own() -> None:
    code = (
        f"import subprocess, sys; busy = {BUSY!r}; "
        "child = subprocess.Popen([sys.executable, '-c', busy]); "
        "block = bytearray(30 << 20); child.wait()"
    )
    found = watch(python(code))
    assert found.cpu_s >= 0.5
    assert 0.4 < found.children_cpu_s < found.cpu_s
    assert max(s.threads for s in found.samples) == 2
    assert found.samples[-1].cpu_s >= 0.5  # seen while it ran, not only afterwards
    assert len(found.cpu_per_second) == len(found.samples) - 1
    alone = watch(python("block = bytearray(30 << 20); import time; time.sleep(0.5)"))
    assert found.peak_mb > alone.peak_mb + 5


def test_an_interrupted_run_returns_what_was_seen() -> None:
    asked = []

    def interrupt() -> bool:
        asked.append(1)
        if len(asked) == 8:  # it has started
            raise KeyboardInterrupt
        return False

    code = (
        "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(0)); "
        "time.sleep(60)"
    )
    found = watch(python(code), ready=interrupt, interruptible=True)
    assert found.interrupted
    assert 0 < found.wall_s < 30
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        watch(python(code), ready=interrupt)


def test_a_failure_shows_what_was_said() -> None:
    with pytest.raises(MmerError, match="out of luck"):
        watch(python("import sys; sys.exit('out of luck')"))


LINES = (
    'import time; p = lambda s: print(s, flush=True); p(\'{"type":"session"}\'); '
    'p(\'{"type":"emotion","label":null}\'); time.sleep(0.5); '
    'p(\'{"type":"emotion","label":"joy"}\'); time.sleep(60)'
)


def test_first_line_and_first_label() -> None:
    line, label = time_to_labels(python(LINES))
    assert 0 < line < label - 0.4
    assert label < 30  # it did not wait for the process to end by itself


def test_no_label_is_an_error() -> None:
    with pytest.raises(MmerError, match="no label came"):
        time_to_labels(python('print(\'{"type":"end"}\')'))
    with pytest.raises(MmerError, match="no label came"):
        time_to_labels(python("import time; time.sleep(60)"), within_s=0.5)
