"""The voice against time: the clips of the development speakers, cut short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from mmer.benchmarks.curve.points import MOMENTS, Answers, Line, Panel
from mmer.benchmarks.harness.networks import folder_of
from mmer.benchmarks.harness.utterances import speech_span
from mmer.models.encoder import SpeechModel
from mmer.realtime.messages import SAMPLE_RATE
from mmer.training.datasets.media import decode
from mmer.training.datasets.registry import read

SPEECH_DB: Final = 30.0
"""What lies so far below the loudest moment is not the speech of a studio recording."""
PAUSE_S: Final = 1.0
"""Longer than any pause in an acted sentence."""


def voice_panel(data: Path, weights: Path | None, say: Callable[[str], None]) -> Panel:
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
        begin, end = speech_span(samples, SPEECH_DB, PAUSE_S)
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
