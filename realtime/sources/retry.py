"""Back-off of a device that is gone: when to try again, and when to give up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock

_DELAYS_S: Final = (0.25, 0.5, 1.0)
"""Before the first attempts; the last one before every other: a device is back within 3 s."""


def reopen(
    attempt: Callable[[], None], clock: Clock, until: float, stopped: threading.Event
) -> bool:
    """Call ``attempt`` until it raises no MmerError; False once ``stopped``, or at ``until``."""
    tried = 0
    while clock.now() < until:
        if stopped.wait(_DELAYS_S[min(tried, len(_DELAYS_S) - 1)]):
            return False
        tried += 1
        try:
            attempt()
        except MmerError:  # still away
            continue
        return True
    return False
