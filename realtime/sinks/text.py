"""Text and times, formatted to fit on one line."""

from __future__ import annotations

import unicodedata
from typing import Final

_PLAIN: Final = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
        "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "…": "...", "•": "*", "·": "-",
        "×": "x", "⁄": "/", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o",
        "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "€": "EUR", "™": "(TM)",
    }
)  # fmt: skip


def one_line(text: str) -> str:
    """White space run together and control characters dropped: safe in a terminal."""
    kept = (c if c.isspace() or unicodedata.category(c)[0] != "C" else "" for c in text)
    return " ".join("".join(kept).split())


def ascii_text(text: str) -> str:
    """One line that the stroke fonts of OpenCV can draw: accents off, typography made plain."""
    decomposed = unicodedata.normalize("NFKD", one_line(text).translate(_PLAIN))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_PLAIN)
    return "".join(c if c.isascii() else "?" for c in bare)


def clock_text(t: float) -> str:
    """Seconds as minutes and seconds: 0:04.1, 12:30.0, 1:02:03.4."""
    tenths = round(max(t, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def shortened(text: str, width: int, keep_end: bool = False) -> str:
    """At most ``width`` characters, "…" where some were left out; ``keep_end`` keeps the newest."""
    if len(text) <= width:
        return text
    if width < 1:
        return ""
    return "…" + text[len(text) - width + 1 :] if keep_end else text[: width - 1] + "…"
