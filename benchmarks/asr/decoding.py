"""Decoding of a clip, timed: through the VAD as live, or in one call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.benchmarks.harness.utterances import vad_updates
from mmer.realtime.asr.interface import AsrModel, Hypothesis, transcribe
from mmer.realtime.blocks.transcriber import Transcriber
from mmer.realtime.messages import SAMPLE_RATE, SpeechState, Transcript

UPDATE: Final = SAMPLE_RATE // 10  # samples: the period of the VAD's updates


@dataclass(frozen=True)
class Decoding:
    """Final transcripts of one clip, the sound that the engine was given, and its CPU time."""

    finals: tuple[tuple[str, float | None], ...]  # text and confidence by utterance
    sound_s: float
    cpu_s: float
    final_cpu_ms: tuple[float, ...] = ()  # by utterance, from the last silence's begin to the final

    @property
    def text(self) -> str:
        """Transcript of the clip: those of its utterances in order."""
        return " ".join(text for text, _ in self.finals if text)


def decode_live(samples: NDArray[np.int16], model: AsrModel) -> Decoding:
    """Transcripts as `mmer-live --pace max` has them: partial ones and pauses cost their time."""
    transcriber = Transcriber(model.stream())
    transcripts: list[Transcript] = []
    final_cpu_ms: list[float] = []
    cpu_s = sound_s = silent_cpu_s = 0.0
    for update in vad_updates(samples):
        began = time.process_time()
        transcripts += transcriber.push(update)
        spent = time.process_time() - began
        cpu_s += spent
        silent_cpu_s = silent_cpu_s + spent if update.silent else 0.0
        if update.state is SpeechState.ENDED:
            final_cpu_ms.append(1000 * silent_cpu_s)
            sound_s += len(update.samples) / SAMPLE_RATE
            silent_cpu_s = 0.0
    finals = tuple((t.text, t.confidence) for t in transcripts if not t.partial)
    return Decoding(finals, sound_s, cpu_s, tuple(final_cpu_ms))


def decode_whole(samples: NDArray[np.int16], model: AsrModel) -> Decoding:
    """The clip as one utterance in one call."""
    began = time.process_time()
    final = transcribe(samples, model)
    spent = time.process_time() - began
    seconds = len(samples) / SAMPLE_RATE
    return Decoding(((final.text, final.confidence),), seconds, spent)


def decode_utterances(samples: NDArray[np.int16], model: AsrModel) -> list[Hypothesis]:
    """Final hypotheses of a clip's utterances, as live, without the cost of the partial ones."""
    ended = (u for u in vad_updates(samples) if u.state is SpeechState.ENDED)
    return [transcribe(update.samples, model) for update in ended]


def partial_costs(samples: NDArray[np.int16], model: AsrModel) -> list[float]:
    """CPU seconds of each call for an utterance (n,) without a pause, fed by 0.1 s; ends it too."""
    stream = model.stream()
    costs = []
    for at in range(0, len(samples), UPDATE):
        began = time.process_time()
        stream.accept(samples[at : at + UPDATE])
        costs.append(time.process_time() - began)
    began = time.process_time()
    stream.finish()
    return [*costs, time.process_time() - began]


def joined_speech(speech: Sequence[NDArray[np.int16]], seconds: float) -> NDArray[np.int16]:
    """Speech end to end, over and over, to a length of ``seconds``: int16 (n,)."""
    return np.resize(np.concatenate(speech), round(seconds * SAMPLE_RATE))
