"""Text preparation: the tokens of a transformer's own tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError, brief
from mmer.models.files import beside, check_file
from mmer.models.preparation.preparation import Lengths, Preparation, Utterance
from mmer.models.preparation.settings import checked
from mmer.models.preparation.text_style import STYLES

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from typing_extensions import Self

SENTENCES: Final = (
    *("I can't believe you did that!", "that is wonderful news", "leave me alone"),
    *("What do you mean, gone?", "I miss him so much", "this smells rotten, take it away"),
    *("it is half past nine", "Oh my God, you scared me!", "we won, we actually won"),
    *("the report is on your desk", "I am so sorry for your loss", "how dare you talk to me"),
    *(
        "did you hear that noise",
        "No. Absolutely not.",
        "she said yes",
        "where were you last night",
    ),
    *("please don't go in there", "could you pass the salt", "you have got to be kidding me"),
    *("I don't know what to do any more", "ha, very funny", "the train leaves from platform two"),
    *("there is a hair in my soup", "you came back!", "nobody ever listens to me"),
    *("I'm fine", "get out", "what a beautiful morning", "they found something on the scan"),
    *("I think we should see other people", "okay", "and then he just walked away"),
)
"""Examples, of our own."""
_PROBE: Final = "Oh, I can't \u00e9t\u00e9 \u6f22\u5b57 \U0001f600 42 " + "x" * 300
"""A text with words, signs and scripts that a tokenizer may not know, and one that is too long."""


class TokenPreparation(Preparation[Utterance]):
    """Preparation with a tokenizer, whose file lies beside the card by the name ``file``.

    ``max_tokens`` bounds the tokens; ``past`` is how many earlier utterances count.
    """

    file: ClassVar[str]
    types: ClassVar[Mapping[str, type]]
    """Settings beside the tokenizer's: the constructor's arguments after it, in its order."""
    max_tokens: int
    past: int

    def __init__(self, tokenizer_json: str) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MmerError("the text model needs tokenizers: pip install tokenizers") from error
        self._json = tokenizer_json
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer_json)
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._tokenizer.encode(_PROBE, _PROBE)  # a damaged one fails at the first odd word
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # plain Exception for all that is wrong, and Rust's panics
            raise MmerError(f"cannot read the tokenizer: {brief(str(error))}") from error

    def example(self, rng: np.random.Generator) -> Utterance:
        k = int(rng.integers(len(SENTENCES)))
        past = SENTENCES[max(0, k - int(rng.integers(3))) : k]
        return Utterance(SENTENCES[k], past, STYLES[int(rng.integers(len(STYLES)))])

    def files(self) -> Mapping[str, bytes]:
        return {self.file: self._json.encode()}

    def settings(self) -> dict[str, Any]:
        digest = hashlib.sha256(self._json.encode()).hexdigest()
        own = {name: getattr(self, name) for name in self.types}
        return {"kind": self.kind, **own, "tokenizer": self.file, "tokenizer_sha256": digest}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> Self:
        given = checked(settings, {**cls.types, "tokenizer": str, "tokenizer_sha256": str})
        path = beside(folder, given["tokenizer"], f"preparation {cls.kind!r}: tokenizer")
        check_file(path, given["tokenizer_sha256"])
        try:
            text = path.read_text("utf-8")
        except ValueError as error:
            raise MmerError(f"cannot read the tokenizer {path}: {error}") from error
        return cls(text, *(given[name] for name in cls.types))

    def _pieces(self, text: str) -> Encoding:
        # a lone surrogate is no character, and the tokenizer accepts none
        sound = text.strip().encode("utf-8", "replace").decode("utf-8")
        return self._tokenizer.encode(sound, add_special_tokens=False)


class TextTokens(TokenPreparation):
    """An utterance after the ones before it, as token numbers int64 (T,), T <= max_tokens.

    The last ``past`` utterances that have a word are joined by spaces and stand before the
    utterance as the first text of a pair, with the separators of the tokenizer's own
    post-processor (as in EmoBERTa, Kim and Vossen 2021): "[CLS] before [SEP] utterance [SEP]".
    Where ``max_tokens`` do not hold both, the oldest pieces are left out; of an utterance that
    alone is longer, the end counts.
    """

    kind = "text-tokens"
    names = ("tokens",)
    file = "words-tokenizer.json"
    types: ClassVar[Mapping[str, type]] = {"max_tokens": int, "past": int}

    def __init__(self, tokenizer_json: str, max_tokens: int = 128, past: int = 0) -> None:
        super().__init__(tokenizer_json)
        self.max_tokens, self.past = max_tokens, past
        self._marks = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._pair_marks = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        if max_tokens <= self._marks:
            raise MmerError(
                f"max_tokens is {max_tokens}; it must be above {self._marks}, the special tokens"
            )
        if past < 0:
            raise MmerError(f"past is {past}, expected a whole number from 0 on")

    def __call__(self, raw: Utterance) -> tuple[NDArray[np.int64], ...] | None:
        """(tokens int64 (T,),); None where there is no word."""
        own = self._pieces(raw.text)
        if not len(own):
            return None
        own.truncate(self.max_tokens - self._marks, direction="left")
        before = [text for text in raw.past if text.strip()]
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

    def lengths(self) -> Lengths:
        return Lengths.between(self._marks + 1, self.max_tokens)
