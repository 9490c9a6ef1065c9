"""Limit on the size of video frames, whatever they come from: it holds before they are decoded."""

from __future__ import annotations

from typing import Final

LARGEST_PX: Final = 36_000_000
"""Pixels of the largest frame that is decoded: 8K video (7680x4320, DCI 8192x4320)."""


def limit(largest_px: int) -> str:
    """The limit in words."""
    return f"{largest_px / 1e6:g} million pixels"


def excess(width: float, height: float, largest_px: int) -> str:
    """Why frames of this size are not decoded; "" where they are."""
    if width * height <= largest_px:
        return ""
    return f"{width:.0f}x{height:.0f} is more than {limit(largest_px)}"
