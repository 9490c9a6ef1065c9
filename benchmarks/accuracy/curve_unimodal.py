"""Anytime accuracy of the speech and the text network: inputs cut short."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from mmer.benchmarks.accuracy.moments import MOMENTS, SPEECH_DB, Answers, Line, Panel, studio_span
from mmer.benchmarks.harness.command import Say
from mmer.models.encoder import SpeechModel, TextModel
from mmer.models.preparation.text_style import TextStyle
from mmer.realtime.messages import SAMPLE_RATE
from mmer.training.datasets.media import decode
from mmer.training.datasets.registry import read
from mmer.training.datasets.texts import RESTYLE, as_recognized, bare
from mmer.training.evaluation.weights import folder_of

WORDS_PER_S: Final = 2.7
"""Rate of conversation: about 160 words a minute."""
ERRORS: Final = 0.25
"""Share of wrong words, as a recognizer has on noisy or terse speech."""
SEED: Final = 0


def speech_panel(data: Path, weights: Path | None, say: Say) -> Panel:
    """RAVDESS actors 17-20, from the begin of the speech on.

    Raises:
        MmerError: RAVDESS is not there.
    """
    items = read("ravdess", data / "audio" / "ravdess", "speech", "dev").items
    model = SpeechModel.load(folder_of(weights, "speech"))
    answers = Answers(items)
    for row, item in enumerate(items):
        say(f"voice: clip {row + 1} of {len(items)}")
        assert item.path is not None  # what is read for speech has a recording
        samples = decode(item.path)
        begin, end = studio_span(samples)
        for t in MOMENTS:
            until = end if t is None else min(end, begin + round(t * SAMPLE_RATE))
            going_on = t is not None and until < end
            answers.put("voice", row, t, model.predict(samples[begin:until]).log_probs, going_on)
    return Panel(
        key="voice",
        title="voice",
        data="RAVDESS actors 17-20, acted English; time since the speech began",
        lines=(Line("voice", "voice", answers.points("voice")),),
        notes=(
            "the speech begins and ends where the sound comes within "
            f"{SPEECH_DB:g} dB of its loudest moment; nothing before its begin is heard",
        ),
    )


def text_panel(data: Path, weights: Path | None, say: Say) -> Panel:
    """MELD's development split: there is no sound of it here, so time is counted in words.

    Raises:
        MmerError: MELD is not there.
    """
    from mmer.training.augment.asr_errors import misrecognize

    items = read("meld", data / "text" / "meld", "text", "dev").items
    model = TextModel.load(folder_of(weights, "text"))
    answers = Answers(items)

    @cache
    def predict(text: str, past: tuple[str, ...], style: TextStyle) -> NDArray[Any]:
        return model.predict(text, past, style).log_probs

    written = [item.text or "" for item in items]
    lines: dict[str, tuple[str, TextStyle, Sequence[str]]] = {
        "gold": ("gold words, as written", "written", written),
        "asr": (
            "gold words, as a recognizer that punctuates writes",
            "asr",
            [as_recognized(text) for text in written],
        ),
        "bare": (
            "gold words, as other recognizers write", "bare", [bare(text) for text in written],
        ),
        "recognized": (
            f"simulated recognizer, {ERRORS:.0%} word errors",
            "bare",
            misrecognize(written, ERRORS, vocabulary=written, seed=SEED),
        ),
    }  # fmt: skip
    for row, item in enumerate(items):
        say(f"words: utterance {row + 1} of {len(items)}")
        for key, (_, style, texts) in lines.items():
            words = texts[row].split()
            past = tuple(map(RESTYLE[style], item.past))
            for t in MOMENTS:
                count = len(words) if t is None else max(1, int(t * WORDS_PER_S))
                so_far = " ".join(words[:count])
                log_probs = predict(so_far, past, style) if so_far else None
                answers.put(key, row, t, log_probs, count < len(words))
    return Panel(
        key="words",
        title="words",
        data=f"MELD dev; simulated time, {WORDS_PER_S:g} words a second",
        lines=tuple(Line(key, name, answers.points(key)) for key, (name, *_) in lines.items()),
        notes=(
            f"time is simulated: {WORDS_PER_S:g} words a second, at least one; the sound of the "
            "utterances is not there, and the recognizer's errors are simulated too",
            "earlier utterances of the dialogue are known as far as the network reads them; those "
            "are free of errors",
        ),
    )
