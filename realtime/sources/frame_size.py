"""Limit on the size of video frames, whatever they come from: it holds before they are decoded."""

from __future__ import annotations

from typing import Final

LARGEST_PX: Final = 36_000_000
"""Pixels of the largest frame that is decoded: 8K video (7680x4320, DCI 8192x4320)."""
LIMIT: Final = f"{LARGEST_PX // 1_000_000} million pixels"


def excess(width: float, height: float) -> str:
    """Why frames of this size are not decoded; "" where they are."""
    if width * height <= LARGEST_PX:
        return ""
    return f"{width:.0f}x{height:.0f} is more than {LIMIT}"
