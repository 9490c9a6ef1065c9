"""A speech recognition engine that transcribes any sound as the same words."""

from __future__ import annotations

import numpy as np
import pytest

from mmer.models.preparation.text_style import TextStyle
from mmer.realtime.asr.interface import Hypothesis
from mmer.realtime.asr.selection import Selection
from mmer.realtime.choose import Choice


class FixedWords:
    """Model and stream in one: it has no state."""

    name = "fixed"
    description = "fixed (words)"
    trust = 1.0

    def __init__(self, text: str, style: TextStyle = "bare") -> None:
        self._final = Hypothesis(self.name, text, style=style)

    def stream(self) -> FixedWords:
        return self

    def accept(self, samples: np.ndarray, pause: bool = False) -> Hypothesis:
        return Hypothesis(self.name)

    def finish(self) -> Hypothesis:
        return self._final

    def reset(self) -> None: ...


def always_hear(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Whatever ``asr`` names, recognizers made in this test take that engine."""
    model = FixedWords(text)
    choice = Choice(model, model.description)
    monkeypatch.setattr("mmer.realtime.assemble.select", lambda asr, store: Selection(asr, ()))
    monkeypatch.setattr("mmer.realtime.assemble.load", lambda selection: choice)
