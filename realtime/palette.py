"""Colours of the labels, the same in overlay, window, terminal and page.

Of Okabe and Ito's set (2008, "Color Universal Design"), which people with any kind of colour
vision tell apart. Their blue is left out: on video it is too dark.
"""

from __future__ import annotations

from typing import Final

PALETTE: Final = {
    "anger": "#d55e00",  # vermillion
    "disgust": "#009e73",  # bluish green
    "fear": "#cc79a7",  # reddish purple
    "joy": "#f0e442",  # yellow
    "neutral": "#bbbbbb",  # grey, in place of their black
    "sadness": "#56b4e9",  # sky blue
    "surprise": "#e69f00",  # orange
}
"""By label, as #rrggbb."""


def bgr(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as OpenCV has it: blue, green, red, 0 to 255."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red
