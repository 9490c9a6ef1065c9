"""Bytes that objects hold: what can be reached from them, less code, threads and doubles."""

from __future__ import annotations

import gc
import sys
import threading
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    ModuleType,
    TracebackType,
)
from typing import Any, Final

import numpy as np
from injector import Injector

_NOT_HELD: Final = (
    *(type, ModuleType, CodeType, FrameType, TracebackType, GeneratorType, BuiltinFunctionType),
    *(threading.Thread, threading.local, Injector),
)


def held_bytes(*roots: Any) -> int:
    """Bytes of all that can be reached from ``roots``, each object once.

    Of a function only its closure counts, of an array that is a view the whole of its base.
    """
    seen: dict[int, Any] = {}  # the object too, so that no id is used again
    waiting = list(roots)
    total = 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, _NOT_HELD):
            continue
        seen[id(item)] = item
        if isinstance(item, FunctionType):
            waiting += item.__closure__ or ()
            continue
        total += sys.getsizeof(item)
        if isinstance(item, np.ndarray):
            waiting += () if item.base is None else (item.base,)
        else:
            waiting += gc.get_referents(item)
    return total
