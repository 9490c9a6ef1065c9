"""The words against time: written utterances revealed at the rate of speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from mmer.benchmarks.curve.points import MOMENTS, Answers, Line, Panel
from mmer.benchmarks.harness.networks import folder_of
from mmer.models.encoder import TextModel
from mmer.models.preparation.text_style import TextStyle
from mmer.training.augment.asr_errors import misrecognize
from mmer.training.datasets.registry import read
from mmer.training.datasets.texts import RESTYLE, as_recognized, bare

WORDS_PER_S: Final = 2.7
"""Of conversation: about 160 words a minute."""
ERRORS: Final = 0.25
"""Share of wrong words, as a recognizer has on noisy or terse speech."""
SEED: Final = 0


def words_panel(data: Path, weights: Path | None, say: Callable[[str], None]) -> Panel:
    """MELD's development split: there is no sound of it here, so time is counted in words.

    Raises:
        MmerError: MELD is not there.
    """
    items = read("meld", data / "text" / "meld", "text", "dev").items
    model = TextModel.load(folder_of(weights, "text"))
    answers = Answers(items)

    @cache
    def judge(text: str, past: tuple[str, ...], style: TextStyle) -> NDArray[Any]:
        return model.predict(text, past, style).log_probs

    written = [item.text or "" for item in items]
    spoken = {
        "gold": written,
        "asr": [as_recognized(text) for text in written],
        "bare": [bare(text) for text in written],
        "recognized": misrecognize(written, ERRORS, vocabulary=written, seed=SEED),
    }
    styles: dict[str, TextStyle] = {
        "gold": "written",
        "asr": "asr",
        "bare": "bare",
        "recognized": "bare",
    }
    for row, item in enumerate(items):
        say(f"words: utterance {row + 1} of {len(items)}")
        for line, texts in spoken.items():
            words = texts[row].split()
            for t in MOMENTS:
                count = len(words) if t is None else max(1, int(t * WORDS_PER_S))
                so_far = " ".join(words[:count])
                style = styles[line]
                past = tuple(map(RESTYLE[style], item.past))
                log_probs = judge(so_far, past, style) if so_far else None
                answers.put(line, row, t, log_probs, count < len(words))
    names = {
        "gold": "gold words, as written",
        "asr": "gold words, as a recognizer that punctuates writes",
        "bare": "gold words, as other recognizers write",
        "recognized": f"simulated recognizer, {ERRORS:.0%} word errors",
    }
    return Panel(
        key="words",
        title="words",
        data=f"MELD dev; simulated time, {WORDS_PER_S:g} words a second",
        lines=tuple(Line(key, name, answers.points(key)) for key, name in names.items()),
        notes=(
            f"time is simulated: {WORDS_PER_S:g} words a second, at least one; the sound of the "
            "utterances is not there, and the recognizer's errors are simulated too",
            "earlier utterances of the dialogue are known as far as the network reads them; those "
            "are free of errors",
        ),
    )
