"""Memory of the process: what was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Return freed memory to the system (glibc's ``malloc_trim``); nothing on other systems.

    Networks are loaded by threads, each of which has a heap of its own in glibc: without this a
    program that opens and closes recognizers grows by their size for every new heap.
    """
    if sys.platform != "linux":
        return
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:  # another C library, such as musl
        return
    malloc_trim(0)
