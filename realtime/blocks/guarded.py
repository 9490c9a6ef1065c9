"""Guard around a block: a failure costs its modality alone, is reported once and tried again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from mmer.models.errors import described
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.blocks.block import Block, Cuts, Learns, Sheds
from mmer.realtime.messages import (
    AudioBlock,
    Clip,
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Message,
    Missing,
    Modality,
    Notice,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
    VideoFrame,
)

QUIET_S: Final = 60.0
"""A part that fails again within so long of its last notice is not reported again."""


class Part(NamedTuple):
    """A stage in notices and reasons."""

    about: str  # of its notices
    name: str  # in its notices, and in the reason of a modality that is missing because of it
    starts_over: bool = False  # its state is dropped after a failure

    @property
    def why(self) -> str:
        """Reason of a modality that is missing because of its failure."""
        return f"{self.name} failed"


PARTS: Final = {
    "vad": Part("voice", "voice activity detection"),
    "asr": Part("words", "speech recognition", starts_over=True),
    "speech": Part("speech", "the speech model", starts_over=True),
    "text": Part("text", "the text model", starts_over=True),
    "tracker": Part("face", "face detection"),
    "clips": Part("face", "the collection of images"),
    "face": Part("face", "the face model"),
    "fusion": Part("fusion", "the fusion"),
}


class Guarded(Block):
    """A block whose exceptions and predictions without numbers become null with a reason.

    In place of what it failed to make comes what the stages behind it wait for: ``Missing``, an
    empty final ``Transcript``, a ``FaceObservation`` without a face, an estimate without a label.
    The next message is tried again. One ``Notice`` is made when it begins to fail.

    Args:
        name: of the stage in the pipeline.
        block: the block itself.
    """

    def __init__(self, name: str, block: Block) -> None:
        self.block = block
        self._name = name
        self._part = PARTS[name]
        self._open: SpeechUpdate | None = None  # newest of an utterance that has not ended
        self._made: SpeechUpdate | None = None  # the same of those that the block itself has made
        self._t = 0.0  # of the newest message
        self._failing = False
        self._noticed = -math.inf

    def push(self, message: Message) -> Sequence[Message]:
        self._t = max(self._t, _time_of(message))
        if isinstance(message, SpeechUpdate):
            self._open = None if message.state is SpeechState.ENDED else message
        try:
            made = self.block.push(message)
        except Exception as error:  # noqa: BLE001  whatever a part raises costs that part alone
            return [*self._report(described(error)), *self._instead(message)]
        return self._checked(made)

    def flush(self) -> Sequence[Message]:
        try:
            return self._checked(self.block.flush())
        except Exception as error:  # noqa: BLE001  as in push
            instead: list[Message] = []
            if self._name == "asr" and self._open is not None:
                instead = [_empty(self._open, self._part.why)]
            if isinstance(self.block, Cuts):
                self.block.cut()
                instead = self._ended()
            return [*self._report(described(error)), *instead]

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        if isinstance(self.block, Sheds):
            self.block.ask_first(wanted, late)

    def reset(self) -> None:
        self.block.reset()
        self._open, self._made = None, None
        self._t, self._failing, self._noticed = 0.0, False, -math.inf

    def _checked(self, made: Sequence[Message]) -> Sequence[Message]:
        """``made`` with null in place of what is no number."""
        if not made:
            return made
        out: list[Message] = []
        failed = False
        for message in made:
            if isinstance(message, SpeechUpdate):
                self._made = None if message.state is SpeechState.ENDED else message
            if isinstance(message, Evidence) and not _numbers(message):
                failed = True
                out += self._report("it gave no numbers")
                out.append(_without_numbers(message, self._part.why))
            elif isinstance(message, Transcript) and not math.isfinite(message.confidence or 0.0):
                out.append(replace(message, confidence=None))
            else:
                out.append(message)
        self._failing = failed
        return out

    def _report(self, reason: str) -> list[Message]:
        """Drop the stream's state, which may be damaged; a notice, where the failure is new."""
        if self._part.starts_over:
            try:
                if isinstance(self.block, Learns):
                    self.block.next_stream()
                else:
                    self.block.reset()
            except Exception as error:  # noqa: BLE001  an engine that died cannot start over either
                reason = f"{reason}, then {described(error)}"
        known, self._failing = self._failing, True
        if known or self._t - self._noticed < QUIET_S:
            return []
        self._noticed = self._t
        text = f"{self._part.why} ({reason}); the rest goes on, and it is tried again"
        return [Notice(self._t, "error", self._part.about, text)]

    def _instead(self, message: Message) -> Sequence[Message]:
        """What the stages behind wait for, in place of the failed answer to ``message``."""
        if isinstance(message, AudioBlock):  # its loss ends the open utterance
            gap = Gap("audio", message.t0, message.t1, self._part.why)
            ends: Sequence[Message] = ()
            try:
                ends = self.block.push(replace(gap, t1=math.inf))
            except Exception:  # noqa: BLE001  the same failure once more: it has been reported
                if isinstance(self.block, Cuts):
                    self.block.cut()
            ended = {m.utterance for m in ends if isinstance(m, SpeechUpdate)}
            if self._made is not None and self._made.utterance in ended:
                self._made = None
            return [gap, *self._ended(), *ends]
        if isinstance(self.block, Cuts):
            self.block.cut()
            return self._ended()
        return instead_of(self._name, message, self._part.why)

    def _ended(self) -> list[Message]:
        """The end of the utterance that the block has begun and cannot end any more."""
        made, self._made = self._made, None
        return [] if made is None else [replace(made, state=SpeechState.ENDED)]


def instead_of(stage: str, message: Message, why: str) -> Sequence[Message]:
    """Substitute outputs of ``stage`` for a ``message`` it did not process, with reason ``why``."""
    if isinstance(message, VideoFrame):
        return [FaceObservation(message.t, None, None, None, None, 0.0, why)]
    if isinstance(message, FaceObservation):
        return [Missing("face", message.t, message.t, why, partial=True, track=message.track)]
    if isinstance(message, Clip):
        span = (message.t0, message.t1)
        return [Missing("face", *span, why, message.partial, track=message.track)]
    if isinstance(message, Transcript) and stage == "text":
        return [_missing("text", message, message.partial, why)]
    if isinstance(message, SpeechUpdate) and stage == "speech":
        return [_missing("speech", message, message.state is not SpeechState.ENDED, why)]
    if isinstance(message, SpeechUpdate) and stage == "asr":
        return [_empty(message, why)] if message.state is SpeechState.ENDED else []
    if isinstance(message, Tick):
        return [_no_estimate(message.t, why)]
    return []


def _without_numbers(evidence: Evidence, why: str) -> Missing:
    return Missing(
        evidence.modality,
        evidence.t0,
        evidence.t1,
        why,
        evidence.partial,
        evidence.utterance,
        evidence.track,
    )


def _missing(
    modality: Modality, message: SpeechUpdate | Transcript, partial: bool, why: str
) -> Missing:
    return Missing(modality, message.t0, message.t1, why, partial, message.utterance)


def _empty(update: SpeechUpdate, why: str) -> Transcript:
    return Transcript(
        update.utterance,
        update.t0,
        update.t1,
        text="",
        partial=False,
        asr="none",
        why=why,
        decided=update.decided,
    )


def _no_estimate(t: float, why: str) -> EmotionEstimate:
    return EmotionEstimate(
        t=t,
        window=(t, t),
        label=None,
        probs=None,
        confidence=None,
        modalities=dict.fromkeys(MODALITIES),
        why=dict.fromkeys((*MODALITIES, "label"), why),
        final=False,
    )


def _numbers(evidence: Evidence) -> bool:
    """Whether the prediction is one: (7,) of which the largest is finite, and so is the rest."""
    log_probs = np.asarray(evidence.log_probs)
    if log_probs.shape != (len(EMOTIONS),) or not math.isfinite(float(log_probs.max())):
        return False
    if not math.isfinite(evidence.quality):
        return False
    return evidence.embedding is None or bool(np.isfinite(evidence.embedding).all())


def _time_of(message: Message) -> float:
    """Capture time of the newest data that led to ``message``, in seconds."""
    if isinstance(message, SpeechUpdate):
        return message.decided
    t = message.t0 if isinstance(message, Gap) else getattr(message, "t1", None)
    return float(getattr(message, "t", 0.0) if t is None else t)
