"""Raster of the overlay's typeface: ``python -m mmer.realtime.sinks.make_font FONT.ttf``.

Writes ``font.npz``: the printable ASCII characters side by side and where each begins. It needs
Pillow, and DejaVu Sans Bold, which Matplotlib ships (licence: ``FONT_LICENSE.txt``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np

HEIGHT: Final = 48
"""Pixels of a line: larger than it is ever drawn on video up to 1080 rows."""


def make_font(typeface: Path, path: Path) -> None:
    """Rasterise the characters of ``typeface`` (.ttf) into ``path`` (.npz)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(typeface), round(HEIGHT * 0.78))
    characters = [chr(code) for code in range(32, 127)]
    starts = np.cumsum([0] + [round(font.getlength(c)) for c in characters]).astype(np.int32)
    image = Image.new("L", (int(starts[-1]), HEIGHT))
    pen = ImageDraw.Draw(image)
    for character, x in zip(characters, starts, strict=False):
        pen.text((int(x), round(HEIGHT * 0.76)), character, fill=255, font=font, anchor="ls")
    np.savez_compressed(path, image=np.asarray(image), starts=starts)


if __name__ == "__main__":
    make_font(Path(sys.argv[1]), Path(__file__).with_name("font.npz"))
