"""Words as the word pieces of a transformer's own tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.cards.card import check_file
from mmer.models.errors import MmerError
from mmer.models.preparation.preparation import Said
from mmer.models.preparation.settings import checked

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

FILE: Final = "words-tokenizer.json"
"""What the tokenizer is called beside a card."""


class TextTokens:
    """What was said, after what was said before it, as token numbers int64 (T,), T <= max_tokens.

    The last ``past`` utterances that have a word are joined by spaces and stand before the
    utterance as the first text of a pair, with the separators of the tokenizer's own
    post-processor (as in EmoBERTa, Kim and Vossen 2021): "[CLS] before [SEP] utterance [SEP]".
    Where ``max_tokens`` do not hold both, the oldest pieces are left out; of an utterance that
    alone is longer, the end counts.
    """

    kind = "text-tokens"
    names = ("tokens",)

    def __init__(self, tokenizer_json: str, max_tokens: int = 128, past: int = 0) -> None:
        from tokenizers import Tokenizer

        self.max_tokens, self.past = max_tokens, past
        self._json = tokenizer_json
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer_json)
        except Exception as error:  # tokenizers raises plain Exception for all that is wrong
            raise MmerError(f"cannot read the tokenizer: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._marks = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._pair_marks = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        if max_tokens <= self._marks:
            raise MmerError(
                f"max_tokens is {max_tokens}; it must be above {self._marks}, the special tokens"
            )
        if past < 0:
            raise MmerError(f"past is {past}, expected a whole number from 0 on")

    def __call__(self, raw: Said) -> tuple[NDArray[np.int64], ...] | None:
        """(tokens int64 (T,),); None where there is no word."""
        own = self._pieces(raw.text)
        if not len(own):
            return None
        own.truncate(self.max_tokens - self._marks, direction="left")
        before = [said for said in raw.past if said.strip()]
        before = before[len(before) - min(len(before), self.past) :]
        room = self.max_tokens - self._pair_marks - len(own)
        if before and room > 0:
            past = self._pieces(" ".join(before))
            past.truncate(room, direction="left")
            whole = self._tokenizer.post_process(past, own)
        else:
            whole = self._tokenizer.post_process(own)
        return (np.array(whole.ids, np.int64),)

    def names_of(self, tokens: Sequence[int]) -> list[str]:
        """Each token as text; special ones by their name ("[CLS]")."""
        texts = (self._tokenizer.decode([token], skip_special_tokens=False) for token in tokens)
        return [text.strip() or "·" for text in texts]

    def settings(self) -> dict[str, Any]:
        """See ``Preparation``."""
        return {
            "kind": self.kind,
            "max_tokens": self.max_tokens,
            "past": self.past,
            "tokenizer": FILE,
            "tokenizer_sha256": hashlib.sha256(self._json.encode()).hexdigest(),
        }

    def files(self) -> Mapping[str, bytes]:
        """The tokenizer, as the tokenizers library writes it."""
        return {FILE: self._json.encode()}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> TextTokens:
        """See ``open_preparation``."""
        types = {"max_tokens": int, "past": int, "tokenizer": str, "tokenizer_sha256": str}
        given = checked(settings, types)
        path = folder / given["tokenizer"]
        check_file(path, given["tokenizer_sha256"])
        return cls(path.read_text("utf-8"), given["max_tokens"], given["past"])

    def _pieces(self, text: str) -> Encoding:
        # a lone surrogate is no character, and the tokenizer takes none
        sound = text.strip().encode("utf-8", "replace").decode("utf-8")
        return self._tokenizer.encode(sound, add_special_tokens=False)
