"""Errors that a user can cause or fix."""

from __future__ import annotations

from typing import Final

_LONGEST_LINE: Final = 1000


class MmerError(Exception):
    """A mistake that the user can put right: the message says what is wrong and what to do.

    Commands print the message alone and end with status 2; libraries raise it. Of a line longer
    than 1000 characters (a damaged file is quoted) the middle is left out.
    """

    def __str__(self) -> str:
        lines = super().__str__().split("\n")
        half = _LONGEST_LINE // 2
        return "\n".join(
            line if len(line) <= _LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"
            for line in lines
        )


def brief(text: str, most: int = 200) -> str:
    """What a file says, fit for a message: one printable line, ".." where some was left out."""
    line = "".join(c if c.isprintable() else " " for c in text[: 2 * most])
    return line if len(text) <= most else f"{line[:most]}.."


def described(error: BaseException) -> str:
    """Type and text of an exception in one line: "ValueError: odd"."""
    text = " ".join(brief(str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
