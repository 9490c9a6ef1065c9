"""Random changes to training texts that leave the emotion as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmer.models.preparation.text_style import TextStyle
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.datasets.texts import RESTYLE


@dataclass(frozen=True)
class TextChanges:
    """How far texts may be changed."""

    asr_probability: float = 0.3
    """Share of stretches of dialogue written as a recognizer that punctuates writes."""
    bare_probability: float = 0.35
    """Share written as a recognizer that does not; the rest stays as it is."""
    spoken_probability: float = 0.3
    """Share of the ``asr`` stretches that are taken from a round trip through speech, as far as
    there is one of their texts."""
    error_probability: float = 0.5
    """Share of the other recognized stretches that have simulated recognition errors."""
    word_error_rate: tuple[float, float] = (0.05, 0.35)
    """From where to where the rate of those errors is drawn."""


def change_texts(
    texts: Sequence[str],
    errors: ErrorModel,
    rng: np.random.Generator,
    by: TextChanges,
    spoken: Mapping[str, str] | None = None,
) -> tuple[list[str], TextStyle]:
    """A stretch of dialogue and its style: as written, or as a recognizer might write it.

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
