"""Report of glibc's allocator: what a process uses of its heaps, and what lies free in them."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

MEGA: Final = 2**20


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h; all heaps together, bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def mallinfo() -> _Mallinfo | None:
    """glibc's own account of this process; None where it is not glibc 2.33."""
    if sys.platform != "linux":
        return None
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    mallinfo2.restype = _Mallinfo
    found: _Mallinfo = mallinfo2()
    return found


def heaps_mb() -> tuple[float, float] | None:
    """MB in use (large blocks included) and MB free in the heaps; None where it is not glibc 2.33.

    Free memory is resident until it is trimmed, and looks like a leak from outside.
    """
    if (found := mallinfo()) is None:
        return None
    return (found.uordblks + found.hblkhd) / MEGA, found.fordblks / MEGA
