"""Standstill of a stream: sound of zeros, or a picture that does not change."""

from __future__ import annotations

import math
from typing import Final

_AFTER_S: Final = 2.5
_AGAIN_S: Final = 60.0
"""Devices that mute themselves in every pause are not reported in every pause."""


class Standstill:
    """Reports once when a stream has been dead for 2.5 s; again a minute later at the earliest."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._reported = False  # this standstill
        self._last = -math.inf  # report

    def update(self, t: float, dead: bool) -> bool:
        """Whether to report now; ``dead``: what came at ``t`` carries nothing new."""
        if not dead:
            self._since, self._reported = None, False
            return False
        if self._since is None:
            self._since = t
        due = t - self._since >= _AFTER_S and t - self._last >= _AGAIN_S
        if self._reported or not due:
            return False
        self._reported, self._last = True, t
        return True
