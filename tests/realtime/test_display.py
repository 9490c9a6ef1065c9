from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmer.realtime.display import display_problem

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="these are the displays of Linux"
)


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def xvfb() -> Iterator[str]:
    """A virtual display; its name."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("Xvfb is not installed (apt-get install xvfb)")
    server = subprocess.Popen(
        [program, "-displayfd", "1", "-screen", "0", "320x240x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)


def fake_cv2(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (folder / "cv2.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":77")


def test_no_display_is_noticed_without_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("started a process"))
    problem = display_problem()
    assert problem is not None
    assert "DISPLAY" in problem
    assert "--overlay" in problem


def test_a_display_that_nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":77")
    problem = display_problem()
    assert problem is not None
    assert ":77" in problem
    assert "\n" not in problem


def test_a_display_that_works(xvfb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", xvfb)
    assert display_problem() is None


def test_an_opencv_without_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cv2(
        tmp_path,
        monkeypatch,
        "def namedWindow(name):\n    raise RuntimeError('The function is not implemented.')",
    )
    problem = display_problem()
    assert problem is not None
    assert "opencv-contrib-python" in problem


def test_a_display_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cv2(tmp_path, monkeypatch, "import time; time.sleep(20)")
    problem = display_problem(timeout_s=0.3)
    assert problem is not None
    assert "0.3 s" in problem
