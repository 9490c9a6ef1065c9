"""Timing of one function, many calls in one thread."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WARM_UP: Final = 20
"""Calls that are made and not counted: caches fill, memory is found."""


@dataclass(frozen=True)
class Times:
    """Of every call its milliseconds on the wall, and of all together the processor's, a call."""

    call_ms: tuple[float, ...]
    cpu_ms: float


def time_calls(call: Callable[[], object], calls: int, warm_up: int = WARM_UP) -> Times:
    """Call ``warm_up`` times, then ``calls`` times against the clock, garbage collection off."""
    for _ in range(warm_up):
        call()
    collecting = gc.isenabled()
    gc.disable()
    try:
        taken = []
        cpu = time.process_time()
        for _ in range(calls):
            began = time.perf_counter()
            call()
            taken.append(1000 * (time.perf_counter() - began))
        cpu = time.process_time() - cpu
    finally:
        if collecting:
            gc.enable()
    return Times(tuple(taken), 1000 * cpu / calls)
