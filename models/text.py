"""What words say of the emotion: word pieces, small convolutional network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmer.models.card import Card, check_file, open_model, weights_dir
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.models.prediction import Prediction

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TextModel:
    """The text encoder; immutable, safe to call from several threads."""

    def __init__(self, card: Card, engine: Engine, tokenizer: Tokenizer) -> None:
        self.card = card
        self.provider = engine.provider
        self._engine = engine
        self._tokenizer = tokenizer
        self._longest = int(card.number("max_tokens"))

    @classmethod
    def load(cls, folder: Path | None = None, provider: str = "auto") -> TextModel:
        """Open text.json, its network and its tokenizer in ``folder``; by default the shipped.

        Raises:
            MmerError: a file is missing, damaged or of another kind; the provider cannot run.
        """
        card, engine = open_model(folder, "text", provider, inputs=("tokens",))
        return cls(card, engine, _open_tokenizer(card, folder or weights_dir()))

    def predict(self, text: str) -> Prediction:
        """Judge what was said, in any case and with or without punctuation.

        Of a longer text the last max_tokens word pieces count. A text without a word is
        ``Prediction.unknown()``.
        """
        # a lone surrogate is no character, and the tokenizer takes none
        sound = text.encode("utf-8", "replace").decode("utf-8")
        ids = self._tokenizer.encode(sound).ids[-self._longest :]
        if not ids:
            return Prediction.unknown()
        out = self._engine.run({"tokens": np.array([ids], np.int64)})
        return Prediction.from_logits(out["logits"][0], self.card.temperature, out["embedding"][0])


def _open_tokenizer(card: Card, folder: Path) -> Tokenizer:
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
