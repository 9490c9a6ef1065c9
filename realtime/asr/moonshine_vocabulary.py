"""Vocabulary of Moonshine: the word pieces of its ``tokenizer.bin``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError

START: Final = 1
END: Final = 2
"""Tokens that begin and end a transcript."""
_PIECES: Final = range(3, 32_000)
"""Tokens that stand for text: before them the three of control, behind them those unused."""
_SPACE: Final = "\N{LOWER ONE EIGHTH BLOCK}"
"""How SentencePiece writes the space before a word."""


class Vocabulary:
    """Word pieces by token, as bytes: some are single bytes of a character."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read ``tokenizer.bin``: each piece behind its length, one byte or (from 128 on) two.

        Raises:
            MmerError: the file cannot be read, is cut short, or is of another model.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MmerError(f"cannot read {path}: {error.strerror or error}") from error
        pieces: list[bytes] = []
        at = 0
        try:
            while at < len(data):
                size = data[at]
                at += 1
                if size >= 128:
                    size += 128 * (data[at] - 1)
                    at += 1
                pieces.append(data[at : at + size])
                at += size
        except IndexError:
            at = len(data) + 1
        if at != len(data) or len(pieces) < _PIECES.stop or pieces[END] != b"</s>":
            raise MmerError(f"{path} is not Moonshine's vocabulary, or it is damaged")
        return cls(pieces)

    def text(self, tokens: Iterable[int]) -> str:
        """Text of the tokens; bytes that are no character are left out."""
        data = b"".join(self._pieces[token] for token in tokens if token in _PIECES)
        return " ".join(data.decode("utf-8", "ignore").replace(_SPACE, " ").split())
