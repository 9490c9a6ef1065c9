"""Evaluation of the text model on utterances, as written or as a recognizer writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer.models.encoder import TextModel
from mmer.models.errors import MmerError
from mmer.models.preparation.text_style import TextStyle
from mmer.training.datasets.item import Item
from mmer.training.datasets.texts import RESTYLE
from mmer.training.evaluation.answers import Answer, Change
from mmer.training.evaluation.settings import Settings


class TextAnswerer:
    """The text model on utterances, with the past of their item."""

    def __init__(
        self,
        weights: Path,
        provider: str = "auto",
        change: Change | None = None,
        style: TextStyle = "written",
    ) -> None:
        self._style = style
        self.notices: list[str] = []
        self._model = TextModel.load(weights, provider)
        self._change = change or str
        self.past_utterances = self._model.past_utterances

    def answer(self, item: Item) -> Answer:
        text = self._change(item.text or "")
        past = [self._change(earlier) for earlier in item.past]
        return Answer.of(self._model.predict(text, past, self._style))

    def about(self) -> dict[str, Any]:
        return {"past_utterances": self.past_utterances}


def prepared_items(items: Sequence[Item], settings: Settings, past_utterances: int) -> list[Item]:
    """The items with the settings applied: context cut, style changed, recognition errors added.

    Word errors make a written text bare. Errors are drawn for each text and each of the past;
    insertions are words of all the texts.

    Raises:
        MmerError: too few words for errors, or jellyfish is not installed.
    """
    context = past_utterances if settings.context is None else settings.context
    cut = [replace(item, past=item.past[max(0, len(item.past) - context) :]) for item in items]
    if settings.word_error_rate:
        try:
            from mmer.training.augment.asr_errors import misrecognize
        except ImportError as error:
            raise MmerError(f"--word-error-rate: {error}; pip install 'mmer-live[eval]'") from error
        texts = [item.text or "" for item in cut] + [text for item in cut for text in item.past]
        rate, style = settings.word_error_rate, style_of(settings)
        changed = iter(misrecognize(texts, rate, texts, settings.seed, style))
        words = [next(changed) for _ in cut]
        return [
            replace(item, text=text, past=tuple(next(changed) for _ in item.past))
            for item, text in zip(cut, words, strict=True)
        ]
    restyle = RESTYLE[settings.style]
    return [
        replace(item, text=restyle(item.text or ""), past=tuple(map(restyle, item.past)))
        for item in cut
    ]


def style_of(settings: Settings) -> TextStyle:
    """The style of the texts after all changes."""
    return "bare" if settings.word_error_rate and settings.style == "written" else settings.style


def warn_of_context(context: int | None, past_utterances: int) -> list[str]:
    """A warning where the context is longer than the model reads."""
    if context is None or context <= past_utterances:
        return []
    return [f"--context {context}: this model reads {past_utterances} earlier utterances at most"]
