"""Spoken sentences for benchmark clips, cut to where the speech really begins and ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.clip_format import Frame
from mmer.benchmarks.harness.media import read_sound
from mmer.models.errors import MmerError
from mmer.realtime.blocks.speech_detector import FRAME
from mmer.realtime.blocks.vad import Vad, VadConfig
from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, SpeechUpdate

LEVEL_S: Final = 0.010  # the window over which loudness is measured
RANGE_DB: Final = 20.0  # what lies so far below the loudest moment is breath, room or echo
PAUSE_S: Final = 0.25  # after a longer pause comes something else: a click, a breath, a chair
FADE: Final = 32  # samples (2 ms): at the cuts, so that they do not click
AROUND_S: Final = 0.15  # sound taken on either side of the demo's sentences before trimming


@dataclass(frozen=True, eq=False)
class Utterance:
    """One sentence: its first and last sample are speech, nothing is around it."""

    name: str
    samples: NDArray[np.int16]  # shape (n,), 16 kHz mono
    emotion: str | None = None  # of EMOTIONS, where a person acted it with speech and face
    frames: tuple[Frame, ...] = ()  # its own, from its begin on
    text: str = ""  # transcript, where it is known

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE


def speech_span(
    samples: NDArray[np.int16], range_db: float = RANGE_DB, pause_s: float = PAUSE_S
) -> tuple[int, int]:
    """First sample of the speech in ``samples`` (n,) and one past its last.

    Loudness is the power in a window of 10 ms around each sample. Speech is what lies within
    ``range_db`` of the loudest moment, with pauses of at most ``pause_s``; of several stretches the
    one with most such samples. A faint last sound may fall off; but then it is not in the clip
    either, so the annotated end stays true. Raises MmerError for silence.
    """
    power = np.square(samples.astype(np.float64))
    window = round(LEVEL_S * SAMPLE_RATE)
    if len(power) < window or not power.any():
        raise MmerError("there is no speech in a recording for the benchmark: it is silent")
    level = np.convolve(power, np.full(window, 1 / window), "same")
    loud = np.flatnonzero(level >= level.max() * 10 ** (-range_db / 10))
    stretches = np.split(loud, np.flatnonzero(np.diff(loud) > pause_s * SAMPLE_RATE) + 1)
    speech = max(stretches, key=len)
    return int(speech[0]), int(speech[-1]) + 1


def trimmed(name: str, samples: NDArray[np.int16]) -> Utterance:
    """The speech in ``samples`` alone, faded over 2 ms at both cuts."""
    begin, end = speech_span(samples)
    return Utterance(name, faded(samples[begin:end]))


def faded(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """A cut (n,) that begins and ends softly."""
    cut = samples.astype(np.float64)
    fade = min(FADE, len(cut) // 2)
    ramp = (np.arange(fade) + 1) / (fade + 1)
    cut[:fade] *= ramp
    cut[len(cut) - fade :] *= ramp[::-1]
    return np.rint(cut).astype(np.int16)


def demo_utterances() -> list[Utterance]:
    """The sentences of the bundled demo clip, in order: a synthetic voice, without emotions."""
    from mmer.realtime.demo import clip

    path = clip()
    sound = read_sound(path)
    sentences = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sentences"]
    out = []
    for sentence in sentences:
        begin = max(0, round((sentence["t0"] - AROUND_S) * SAMPLE_RATE))
        end = round((sentence["t1"] + AROUND_S) * SAMPLE_RATE)
        out.append(trimmed(str(sentence["text"]), sound[begin:end]))
    return out


def vad_updates(samples: NDArray[np.int16], config: VadConfig | None = None) -> list[SpeechUpdate]:
    """Updates of the VAD over a sound (n,), in its standard configuration or another."""
    vad = Vad(config or VadConfig())
    updates: list[SpeechUpdate] = []
    for at in range(0, len(samples), FRAME):
        updates += vad.push(AudioBlock(at / SAMPLE_RATE, samples[at : at + FRAME]))
    return [*updates, *vad.flush()]
