"""Dialogue preparation: tokens and turns of an utterance and its context (shipped text network)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Lengths, Utterance
from mmer.models.preparation.text_style import STYLES
from mmer.models.preparation.text_tokens import TokenPreparation

FIRST: Final = "[CLS]"
"""The piece that begins a stretch of written dialogue; it belongs to the first utterance. Other
styles have pieces of their own, which the card names."""
SEPARATOR: Final = "[SEP]"
"""The piece that ends each utterance, and belongs to it."""


class DialogueTokens(TokenPreparation):
    """An utterance after the ones before it: tokens and turns, int64 (T,), T <= max_tokens.

    The last ``past_utterances`` utterances that have a word and fit count; of a longer text the
    end. ``styles`` names the first piece by the style of the text. See ``lay_out``.
    """

    kind = "dialogue-tokens"
    names = ("tokens", "turns")
    file = "text-tokenizer.json"
    types: ClassVar[Mapping[str, type]] = {
        "max_tokens": int,
        "past_utterances": int,
        "styles": dict,
    }

    def __init__(
        self,
        tokenizer_json: str,
        max_tokens: int,
        past_utterances: int,
        styles: Mapping[Any, str],
    ) -> None:
        super().__init__(tokenizer_json)
        self.max_tokens, self.styles = max_tokens, dict(styles)
        self.past = self.past_utterances = past_utterances
        separator = self._tokenizer.token_to_id(SEPARATOR)
        self._first = {
            style: token
            for style in STYLES
            if (token := self._tokenizer.token_to_id(str(styles.get(style)))) is not None
        }
        if len(self._first) < len(STYLES) or separator is None or max_tokens < 3:
            raise MmerError(f"{self.kind}: the tokenizer, styles or max_tokens are of another kind")
        if past_utterances < 0:
            raise MmerError(
                f"past_utterances is {past_utterances}, expected a whole number from 0 on"
            )
        self._separator = separator

    def __call__(self, raw: Utterance) -> tuple[NDArray[np.int64], ...] | None:
        own = self._pieces(raw.text).ids
        if not own:
            return None
        before = [pieces for text in raw.past if (pieces := self._pieces(text).ids)]
        before = before[max(0, len(before) - self.past) :]
        first = self._first[raw.style]
        return lay_out([*before, own], first, self._separator, self.max_tokens)

    def lengths(self) -> Lengths:
        return Lengths.between(3, self.max_tokens)


def lay_out(
    utterances: Sequence[Sequence[int]], first: int, separator: int, max_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Word pieces of utterances, oldest first, as the network inputs them: tokens and turns (T,).

    Turns number the utterances from 1. Where ``max_tokens`` do not hold them all, the oldest are
    left out; of a last utterance longer than that, the end is kept.
    """
    last = utterances[-1][-(max_tokens - 2) :]
    chosen = [last]
    room = max_tokens - 2 - len(last)
    for past in reversed(utterances[:-1]):
        room -= len(past) + 1
        if room < 0:
            break
        chosen.append(past)
    chosen.reverse()
    tokens = [first]
    turns = [1]
    for number, pieces in enumerate(chosen, 1):
        tokens += [*pieces, separator]
        turns += [number] * (len(pieces) + 1)
    return np.array(tokens, np.int64), np.array(turns, np.int64)
