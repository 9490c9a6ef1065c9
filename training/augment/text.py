"""Augmentation of texts that preserves the emotion: styles and recognition errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.preparation.text_style import TextStyle
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.datasets.texts import RESTYLE


@dataclass(frozen=True)
class TextChanges:
    """Probabilities of the changes to texts."""

    asr_probability: float = 0.3
    """Share of windows of dialogue in the style of a recognizer with punctuation."""
    bare_probability: float = 0.35
    """Share in the style of a recognizer without; the rest stays as written."""
    spoken_probability: float = 0.3
    """Share of the ``asr`` windows replaced by transcripts of synthetic speech, where there are."""
    error_probability: float = 0.5
    """Share of the other ``asr`` and ``bare`` windows with simulated recognition errors."""
    word_error_rate: tuple[float, float] = (0.05, 0.35)
    """Range of the rate of those errors."""

    def __post_init__(self) -> None:
        names = ("asr_probability", "bare_probability", "spoken_probability", "error_probability")
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise MmerError(f"{name} must be 0..1, got {getattr(self, name)!r}")
        if self.asr_probability + self.bare_probability > 1:
            raise MmerError("asr_probability and bare_probability must be 1 at most together")
        rates = tuple(self.word_error_rate)
        if len(rates) != 2 or not 0 <= rates[0] <= rates[1] <= 1:
            raise MmerError(f"word_error_rate must be a range within 0..1, got {list(rates)}")


def change_texts(
    texts: Sequence[str],
    errors: ErrorModel,
    rng: np.random.Generator,
    by: TextChanges,
    spoken: Mapping[str, str] | None = None,
) -> tuple[list[str], TextStyle]:
    """A window of dialogue in a random style, and the style.

    ``spoken`` holds transcripts by written text; an empty one is not used.
    """
    draw = rng.random()
    if draw >= by.asr_probability + by.bare_probability:
        return list(texts), "written"
    style: TextStyle = "asr" if draw < by.asr_probability else "bare"
    plain = [RESTYLE[style](text) for text in texts]
    if style == "asr" and spoken and rng.random() < by.spoken_probability:
        return [spoken.get(t) or p for t, p in zip(texts, plain, strict=True)], style
    if rng.random() >= by.error_probability:
        return plain, style
    rate = rng.uniform(*by.word_error_rate)
    return [errors.misrecognize(text, rate, rng, style) for text in texts], style
