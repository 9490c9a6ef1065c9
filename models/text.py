"""Text emotion model: word pieces of an utterance and its context to a small transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import Card, card_path, check_file, open_model
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction
from mmer.models.preparation.text_style import STYLES, TextStyle

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FIRST: Final = "[CLS]"
"""The piece that begins a stretch of written dialogue; it belongs to the first utterance. Other
styles have pieces of their own, which the card names."""
SEPARATOR: Final = "[SEP]"
"""The piece that ends each utterance, and belongs to it."""


def lay_out(
    utterances: Sequence[Sequence[int]], first: int, separator: int, max_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Word pieces of utterances, oldest first, as the network reads them: tokens and turns (T,).

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


class TextModel:
    """The text encoder; immutable, safe to call from several threads."""

    def __init__(self, card: Card, engine: Engine, tokenizer: Tokenizer) -> None:
        """Raises MmerError where the card's settings or pieces are of another kind."""
        self.card = card
        self.provider = engine.provider
        self.past_utterances = card.count("past_utterances")
        self.engine = engine
        self._tokenizer = tokenizer
        self._longest = int(card.number("max_tokens"))
        pieces = card.preprocessing.get("styles") or dict.fromkeys(STYLES, FIRST)
        separator = tokenizer.token_to_id(SEPARATOR)
        self._first = {
            style: token
            for style in STYLES
            if isinstance(pieces, Mapping)
            and (token := tokenizer.token_to_id(str(pieces.get(style)))) is not None
        }
        if len(self._first) < len(STYLES) or separator is None or self._longest < 3:
            raise MmerError(
                f"card {card.name}: its tokenizer, styles or max_tokens are of another kind"
            )
        self._separator = separator

    @classmethod
    def load(cls, folder: Path | None = None, provider: str = "auto") -> TextModel:
        """Open text.json, its network and its tokenizer in ``folder``; by default the shipped.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        card, engine = open_model(folder, "text", provider, inputs=("tokens", "turns"))
        return cls(card, engine, open_tokenizer(card, card_path(folder, "text").parent))

    def predict(
        self, text: str, past: Sequence[str] = (), style: TextStyle = "written"
    ) -> Prediction:
        """Emotion of an utterance whose text is written in ``style``.

        ``past`` are the utterances before it, oldest first; the last ``past_utterances`` of them
        that have a word and fit into the card's max_tokens count. Of a longer text the end
        counts. A text without a word is ``Prediction.unknown()``.
        """
        own = self._pieces(text)
        if not own:
            return Prediction.unknown()
        before = [pieces for said in past if (pieces := self._pieces(said))]
        before = before[max(0, len(before) - self.past_utterances) :]
        first = self._first[style]
        tokens, turns = lay_out([*before, own], first, self._separator, self._longest)
        out = self.engine.run({"tokens": tokens[None], "turns": turns[None]})
        return Prediction.from_logits(out["logits"][0], self.card.temperature, out["embedding"][0])

    def _pieces(self, text: str) -> list[int]:
        # a lone surrogate is no character, and the tokenizer takes none
        sound = text.encode("utf-8", "replace").decode("utf-8")
        return list(self._tokenizer.encode(sound, add_special_tokens=False).ids)


def open_tokenizer(card: Card, folder: Path) -> Tokenizer:
    """The tokenizer that a card names, in its folder.

    Raises:
        MmerError: it is missing, damaged or of another kind, or its package is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MmerError("the text model needs tokenizers: pip install tokenizers") from error
    path = folder / str(card.setting("tokenizer"))
    check_file(path, str(card.setting("tokenizer_sha256")))
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception for all that is wrong
        raise MmerError(f"cannot open the tokenizer {path}: {error}") from error
