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

CROPS = """
import numpy as np
from mmer.benchmarks.soak.allocator import mallinfo
from mmer.realtime.memory import few_heaps
if {few}:
    few_heaps()
for _ in range(2):
    before = mallinfo().hblks
    crops = [np.ones((224, 224, 3), np.uint8) for _ in range(20)]
    mapped = mallinfo().hblks - before
    del crops
print(mapped)
"""
needs_mallinfo = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="glibc 2.33 alone says where memory lies",
)


def printed(program: str, few: bool) -> float:
    """The number that a process with ``few`` heaps or all prints."""
    command = [sys.executable, "-c", program.format(few=few)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@needs_mallinfo
def test_a_frame_leaves_nothing_free_in_a_heap() -> None:
    assert printed(FRAMES, few=True) == pytest.approx(0, abs=0.1)
    assert printed(FRAMES, few=False) > 0.5


@needs_mallinfo
def test_crops_are_mapped_by_themselves() -> None:
    """All but the few that find room in what importing has left free."""
    assert printed(CROPS, few=True) >= 10
    assert printed(CROPS, few=False) == 0
