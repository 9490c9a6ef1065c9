"""Where the program's memory lies, by glibc's own account."""

import ctypes
import subprocess
import sys

import pytest

FRAMES = """
import numpy as np
from mmer.benchmarks.soak.allocator import heaps_mb
from mmer.realtime.memory import few_heaps
if {few}:
    few_heaps()
for _ in range(3):  # a frame that is freed lifts the size from which on glibc maps the next ones
    frame = np.ones((480, 640, 3), np.uint8)
    _, free = heaps_mb()
    del frame
print(heaps_mb()[1] - free)
"""


def left_mb(few: bool) -> float:
    """What the third of three frames leaves free in a heap."""
    program = [sys.executable, "-c", FRAMES.format(few=few)]
    return float(subprocess.run(program, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="glibc 2.33 alone says where memory lies",
)
def test_frames_lie_in_no_heap() -> None:
    assert left_mb(few=True) == pytest.approx(0, abs=0.1)
    assert left_mb(few=False) > 0.5
