"""Speech encoder block: sound of an utterance to evidence of emotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmer.models.errors import MmerError
from mmer.models.quality import SpeechLimits, speech_quality
from mmer.realtime.blocks.block import Block
from mmer.realtime.messages import (
    SAMPLE_RATE,
    Evidence,
    Message,
    Missing,
    SpeechState,
    SpeechUpdate,
)

if TYPE_CHECKING:
    from mmer.models.encoder import SpeechModel


@dataclass(frozen=True)
class SpeechEncoderConfig(SpeechLimits):
    """How often the voice is evaluated, how much of it, and when a sound is good enough."""

    step_s: float = 0.5  # new sound between two evaluations of the same utterance
    longest_s: float = 10.0  # of a longer utterance the newest part counts: bounds the work

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_s <= 0:
            raise MmerError(f"step_s must be above 0, got {self.step_s}")
        if self.longest_s < self.step_s:
            raise MmerError(f"longest_s must be at least step_s, got {self.longest_s}")


class SpeechEncoder(Block):
    """SpeechUpdate -> Evidence("speech").

    While the person speaks, every ``step_s`` of new sound gives a partial Evidence, from the
    model's ``min_s`` on. A silence gives a partial Evidence or Missing, and the end exactly one
    with ``partial=False``; when no sound came between, the answer is taken over. Updates are
    cumulative, so any that are not the end may be skipped. ``t0``..``t1`` of the Evidence is the
    span evaluated.
    """

    _utterance: int | None
    _due: int  # samples that the next evaluation waits for
    _ended: bool
    _newest: Evidence | Missing | None  # of the utterance

    def __init__(self, model: SpeechModel, config: SpeechEncoderConfig | None = None) -> None:
        self._model = model
        self._config = config or SpeechEncoderConfig()
        self._step = max(1, round(self._config.step_s * SAMPLE_RATE))
        self._longest = round(max(self._config.longest_s, model.min_s) * SAMPLE_RATE)
        self._least = round(model.min_s * SAMPLE_RATE)
        self.reset()

    def push(self, message: Message) -> Sequence[Message]:
        """Evaluate a SpeechUpdate where one is due; ignores other messages."""
        if not isinstance(message, SpeechUpdate):
            return ()
        if message.utterance != self._utterance:
            self.reset()
            self._utterance = message.utterance
        if self._ended:
            return ()
        self._ended = message.state is SpeechState.ENDED
        if message.silent and self._newest is not None and self._newest.t1 == message.t1:
            return (replace(self._newest, partial=not self._ended),)
        if not (message.silent or len(message.samples) >= self._due):
            return ()
        self._due = len(message.samples) + self._step
        self._newest = self._evaluate(message, partial=not self._ended)
        waited_for = message.silent or isinstance(self._newest, Evidence)
        return (self._newest,) if waited_for else ()

    def reset(self) -> None:
        self._utterance = None
        self._due = self._least
        self._ended = False
        self._newest = None
        self._prepare = self._model.growing()

    def _evaluate(self, update: SpeechUpdate, partial: bool) -> Evidence | Missing:
        samples = update.samples[-self._longest :]
        quality = speech_quality(samples, self._config)
        if len(samples) < self._least or quality <= 0.0:
            why = "too short" if len(samples) < self._least else "too quiet"
            return Missing("speech", update.t0, update.t1, why, partial, update.utterance)
        begin = len(update.samples) - len(samples)
        prediction = self._model.predict(samples, begin, self._prepare)
        if prediction.usable <= 0.0:  # the part that the model inputs is digital silence
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
