"""Memory of the process: what was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_MMAP_THRESHOLD: Final = -3  # of mallopt, in malloc.h
_ARENA_MAX: Final = -8
ARENAS: Final = 2
LARGE: Final = 64 * 1024
"""Bytes from which on memory is mapped by itself: frames, crops, and the inputs of networks."""


def few_heaps() -> None:
    """Have glibc keep ``ARENAS`` heaps for all threads, and large arrays in none of them.

    Left alone it gives each of a session's threads a heap of its own, and from the first frame
    that is freed on, it keeps frames in them: their ends rise for minutes. Crops and inputs of
    networks come and go in many sizes, and between them small blocks that stay spread over ever
    more pages, for a quarter of an hour. Mapping frames costs some 0.02 s of processor time a
    second of video. Nothing on other systems, and only for programs of our own: a program that
    embeds the recognizer decides for itself.
    """
    if (library := _glibc()) is not None:
        library.mallopt(_ARENA_MAX, ARENAS)
        library.mallopt(_MMAP_THRESHOLD, LARGE)  # which also keeps it from rising


def trim() -> None:
    """Return freed memory to the system (glibc's ``malloc_trim``); nothing on other systems.

    glibc returns only what lies at a heap's end. Loading networks leaves some 90 MB free within its
    heaps; video frames, freed by another thread than took them, lift a heap's end by one frame
    whenever one more than ever is in use. Neither is a leak, and both look like one from outside.
    """
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library where it is glibc, as on most Linux systems."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None  # musl has none
