"""From the sound of an utterance to what the voice says of the emotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.messages import (
    SAMPLE_RATE,
    Evidence,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
)

if TYPE_CHECKING:
    from mmer.models.prediction import Prediction

CLIPPED: Final = 32_700
"""A sample of at least this magnitude counts as clipped."""


class SpeechModel(Protocol):
    """What the block needs of a speech network."""

    @property
    def min_s(self) -> float:
        """The shortest sound that it can judge, in seconds."""
        ...

    def predict(self, samples: NDArray[np.int16]) -> Prediction:
        """Judge int16 (n,) at 16 kHz mono."""
        ...


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """How often the voice is judged, how much of it, and when a sound is good enough."""

    step_s: float = 0.5  # new sound between two judgements of the same utterance
    longest_s: float = 10.0  # of a longer utterance the newest part is judged: bounds the work
    full_s: float = 2.0  # from this length on, duration takes nothing from the quality
    silent_dbfs: float = -60.0  # at or below this level there is nothing to judge
    loud_dbfs: float = -40.0  # from this level on, level takes nothing from the quality
    clipped_share: float = 0.05  # this share of clipped samples leaves a fifth of the quality

    def __post_init__(self) -> None:
        if self.step_s <= 0 or self.full_s <= 0 or self.clipped_share <= 0:
            raise MmerError(
                "step_s, full_s and clipped_share must be above 0, got "
                f"{self.step_s}, {self.full_s}, {self.clipped_share}"
            )
        if self.longest_s < self.step_s:
            raise MmerError(f"longest_s must be at least step_s, got {self.longest_s}")
        if self.silent_dbfs >= self.loud_dbfs:
            raise MmerError(
                f"silent_dbfs ({self.silent_dbfs}) must be below loud_dbfs ({self.loud_dbfs})"
            )


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Root mean square of int16 (n,) in dB below full scale; -inf for no sound or zeros."""
    if len(samples) == 0:
        return float("-inf")
    mean_square = float(np.mean(np.square(samples, dtype=np.float64)))
    return float("-inf") if mean_square == 0 else float(10 * np.log10(mean_square / 32_768.0**2))


def speech_quality(samples: NDArray[np.int16], config: SpeechEncoderConfig) -> float:
    """How well int16 (n,) can be judged: 0 (not at all) to 1; a product of three factors.

    - duration: seconds / ``full_s``, at most 1 (half a second of a voice says little);
    - level: linear in dBFS from 0 at ``silent_dbfs`` to 1 at ``loud_dbfs``;
    - clipping: linear from 1 with no clipped sample to 0.2 at ``clipped_share`` and beyond.
    """
    if len(samples) == 0:
        return 0.0
    duration = min(1.0, len(samples) / SAMPLE_RATE / config.full_s)
    span_db = config.loud_dbfs - config.silent_dbfs
    level = min(1.0, max(0.0, (level_dbfs(samples) - config.silent_dbfs) / span_db))
    # compared on both sides: the magnitude of -32768 does not fit into int16
    clipped = float(np.mean((samples >= CLIPPED) | (samples <= -CLIPPED)))
    clipping = 1.0 - 0.8 * min(1.0, clipped / config.clipped_share)
    return duration * level * clipping


class SpeechEncoder:
    """SpeechUpdate -> Evidence("speech").

    While the person speaks, every ``step_s`` of new sound gives a partial Evidence, from the
    model's ``min_s`` on; the end gives exactly one Evidence or Missing with ``partial=False``.
    Updates are cumulative, so any that are not the end may be skipped. ``t0``..``t1`` of the
    Evidence is the span heard.
    """

    _utterance: int | None
    _due: int  # samples that the next judgement waits for
    _ended: bool

    def __init__(self, model: SpeechModel, config: SpeechEncoderConfig | None = None) -> None:
        self._model = model
        self._config = config or SpeechEncoderConfig()
        self._step = max(1, round(self._config.step_s * SAMPLE_RATE))
        self._longest = round(max(self._config.longest_s, model.min_s) * SAMPLE_RATE)
        self._least = round(model.min_s * SAMPLE_RATE)
        self.reset()

    def push(self, message: Message) -> Sequence[Message]:
        """Take a SpeechUpdate; other messages pass unseen."""
        if not isinstance(message, SpeechUpdate):
            return ()
        if message.utterance != self._utterance:
            self._utterance, self._due, self._ended = message.utterance, self._least, False
        if self._ended:
            return ()
        if message.state is SpeechState.ENDED:
            self._ended = True
            return (self._judge(message, partial=False),)
        if len(message.samples) < self._due:
            return ()
        self._due = len(message.samples) + self._step
        judged = self._judge(message, partial=True)
        return (judged,) if isinstance(judged, Evidence) else ()

    def flush(self) -> Sequence[Message]:
        """Nothing: the end of an utterance comes as an update."""
        return ()

    def reset(self) -> None:
        """Forget the utterance under way."""
        self._utterance = None
        self._due = self._least
        self._ended = False

    def _judge(self, update: SpeechUpdate, partial: bool) -> Evidence | Missing:
        samples = update.samples[-self._longest :]
        quality = speech_quality(samples, self._config)
        if len(samples) < self._least or quality <= 0.0:
            why = "too short" if len(samples) < self._least else "too quiet"
            return Missing("speech", update.t0, update.t1, why, partial, update.utterance)
        prediction = self._model.predict(samples)
        if prediction.usable <= 0.0:  # the part that the model hears is digital silence
            return Missing("speech", update.t0, update.t1, "too quiet", partial, update.utterance)
        return Evidence(
            "speech",
            t0=max(update.t0, update.t1 - len(samples) / SAMPLE_RATE),
            t1=update.t1,
            log_probs=prediction.log_probs,
            quality=quality,
            partial=partial,
            utterance=update.utterance,
            embedding=prediction.embedding,
        )
