"""Tokens of dialogue as the text network reads them: windows laid out, padded and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from mmer.models.labels import EMOTIONS
from mmer.models.networks.shipped.text import PAD
from mmer.models.preparation.dialogue_tokens import SEPARATOR, lay_out
from mmer.models.preparation.text_style import TextStyle
from mmer.training.tasks.prune_tokenizer import STYLE_PIECES
from mmer.training.tasks.task import Arrays
from mmer.training.tasks.text_data import Window


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array, int64 (B, T)."""
    out = np.full((len(rows), max(len(r) for r in rows)), PAD, np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return out


@dataclass(frozen=True)
class EncodedWindow:
    """One window: tokens and turns (T,), targets (M, 7) of the M utterances that are learned."""

    tokens: np.ndarray
    turns: np.ndarray
    places: list[int]
    """Of the learned utterances in the window."""
    learned_turns: list[int]
    targets: np.ndarray
    corpus: int
    """Index of the head that is trained."""


def batch_of(windows: Sequence[EncodedWindow]) -> Arrays:
    """Inputs of ``TextNetwork`` in training."""
    counts = [len(window.learned_turns) for window in windows]
    return {
        "tokens": padded([window.tokens for window in windows]),
        "turns": padded([window.turns for window in windows]),
        "rows": np.repeat(np.arange(len(windows)), counts),
        "asked": np.array([turn for window in windows for turn in window.learned_turns]),
        "corpus": np.repeat([window.corpus for window in windows], counts),
    }


class DialogueEncoder:
    """Texts of a dialogue to tokens and turns, by one tokenizer."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        vocabulary = tokenizer.get_vocab()
        self.first = {style: vocabulary[piece] for style, piece in STYLE_PIECES.items()}
        self.separator = vocabulary[SEPARATOR]

    def encode(self, texts: Sequence[str], style: TextStyle) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and turns, int64 (T,) each, without the oldest texts where there is no room."""
        pieces = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        return lay_out(pieces, self.first[style], self.separator, self.max_tokens)

    def encode_window(
        self, window: Window, texts: Sequence[str], style: TextStyle, corpus: int = 0
    ) -> EncodedWindow:
        """A window whose texts read ``texts`` in ``style``, with one-hot targets."""
        tokens, turns = self.encode(texts, style)
        missing = len(texts) - int(turns.max())  # the oldest, where there was no room
        places = [k for k in window.labels if k >= missing]
        hard = np.eye(len(EMOTIONS), dtype=np.float32)[[window.labels[k] for k in places]]
        return EncodedWindow(tokens, turns, places, [k + 1 - missing for k in places], hard, corpus)
