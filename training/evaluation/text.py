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
    """The text with the past that its item brings."""

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
        """See ``Answerer``."""
        text = self._change(item.text or "")
        past = [self._change(said) for said in item.past]
        return Answer.of(self._model.predict(text, past, self._style))

    def about(self) -> dict[str, Any]:
        """How much of the past the model reads."""
        return {"past_utterances": self.past_utterances}


def as_heard(items: Sequence[Item], settings: Settings, past_utterances: int) -> list[Item]:
    """The items as the settings want them read: context cut, style and recognition errors applied.

    Word errors make a written text bare. Errors are drawn anew for each text and each of the past;
    the words that are put in are those of all the texts.

    Raises:
        MmerError: too few words to make errors of, or what makes them is not installed.
    """
    context = past_utterances if settings.context is None else settings.context
    cut = [replace(item, past=item.past[max(0, len(item.past) - context) :]) for item in items]
    if settings.word_error_rate:
        try:
            from mmer.training.augment.asr_errors import misrecognize
        except ImportError as error:
            raise MmerError(f"--word-error-rate: {error}; pip install 'mmer-live[eval]'") from error
        texts = [item.text or "" for item in cut] + [said for item in cut for said in item.past]
        rate, style = settings.word_error_rate, style_of(settings)
        heard = iter(misrecognize(texts, rate, texts, settings.seed, style))
        words = [next(heard) for _ in cut]
        return [
            replace(item, text=text, past=tuple(next(heard) for _ in item.past))
            for item, text in zip(cut, words, strict=True)
        ]
    restyle = RESTYLE[settings.style]
    return [
        replace(item, text=restyle(item.text or ""), past=tuple(map(restyle, item.past)))
        for item in cut
    ]


def style_of(settings: Settings) -> TextStyle:
    """The style that the texts have in the end."""
    return "bare" if settings.word_error_rate and settings.style == "written" else settings.style


def warn_of_context(context: int | None, past_utterances: int) -> list[str]:
    """A line where more of the past is asked for than the model reads."""
    if context is None or context <= past_utterances:
        return []
    return [f"--context {context}: this model reads {past_utterances} earlier utterances at most"]
