"""Memory of the process: what was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Return freed memory to the system (glibc's ``malloc_trim``); nothing on other systems.

    glibc gives each thread a heap of its own, and returns only what lies at a heap's end. Loading
    networks leaves some 90 MB free within those heaps; video frames, freed by another thread than
    took them, lift a heap's end by one frame whenever one more than ever is in use. Neither is a
    leak, and both look like one from outside.
    """
    if sys.platform != "linux":
        return
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:  # another C library, such as musl
        return
    malloc_trim(0)
