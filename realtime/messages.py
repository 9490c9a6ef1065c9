"""Messages between the parts: frozen dataclasses that carry their capture time.

Times are seconds on the session's clock. ``t0``/``t1``/``t`` are times of capture; a derived
message inherits them. Arrays inside messages are read-only by agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import ClassVar, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.models.affect import valence_arousal
from mmer.models.labels import EMOTIONS
from mmer.models.preparation.text_style import TextStyle

SAMPLE_RATE: Final = 16_000
"""Samples a second of every AudioBlock, mono int16."""

Modality: TypeAlias = Literal["speech", "text", "face"]
Stream: TypeAlias = Literal["audio", "video"]


class SpeechState(Enum):
    """Utterance state."""

    STARTED = "started"
    ONGOING = "ongoing"
    STOPPING = "stopping"  # silence shorter than a pause; transcript and speech already evaluated
    PAUSED = "paused"  # silent for a moment: it may have ended with these samples
    ENDED = "ended"


@dataclass(frozen=True, eq=False)
class AudioBlock:
    """Sound captured from ``t0`` on: int16 (n,), 16 kHz mono."""

    t0: float
    samples: NDArray[np.int16]  # shape (n,)

    @property
    def t1(self) -> float:
        """When the last sample ended."""
        return self.t0 + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """Video frame captured at ``t``: uint8 (H, W, 3), BGR, C-contiguous."""

    t: float
    image: NDArray[np.uint8]  # shape (H, W, 3)
    partial: ClassVar[bool] = True  # a later one replaces it


@dataclass(frozen=True)
class Gap:
    """Stretch that a device lost, or a stream that a source lacks (then ``t1`` is infinity)."""

    stream: Stream
    t0: float
    t1: float
    cause: str


@dataclass(frozen=True, eq=False)
class SpeechUpdate:
    """An utterance so far: all its sound since ``t0`` (pre-roll included).

    ``samples`` is cumulative, so a later update replaces an earlier partial one without loss.
    ``t1`` is the end of ``samples``; for STOPPING, PAUSED and ENDED it is the end of speech, not of
    the silence behind it. Those that follow one another without speech between have the same
    samples.
    ``decided`` is the capture time of the newest sound that led to this update.
    """

    utterance: int
    t0: float
    t1: float
    state: SpeechState
    samples: NDArray[np.int16]  # shape (n,)
    decided: float

    @property
    def partial(self) -> bool:
        """Whether a later update of the same utterance replaces this one."""
        return self.state not in (SpeechState.STARTED, SpeechState.ENDED)

    @property
    def final(self) -> bool:
        """Whether it ends the utterance."""
        return self.state is SpeechState.ENDED

    @property
    def silent(self) -> bool:
        """Whether no speech follows ``samples`` so far: the utterance may end with them."""
        return self.state in (SpeechState.STOPPING, SpeechState.PAUSED, SpeechState.ENDED)


@dataclass(frozen=True)
class Word:
    """One recognized word with its capture times and, where given, confidence 0..1."""

    text: str
    t0: float
    t1: float
    confidence: float | None = None


@dataclass(frozen=True)
class Transcript:
    """Transcript of an utterance by the engine named ``asr``; later ones replace ``partial`` ones.

    ``why`` is the engine's reason for a text that is empty although there is sound. At a
    ``pause`` there is always one, ``unchanged`` where the text is that of the one before.
    """

    utterance: int
    t0: float
    t1: float
    text: str
    partial: bool
    asr: str
    words: tuple[Word, ...] = ()
    confidence: float | None = None  # 0..1, of the whole
    style: TextStyle = "bare"
    why: str = ""
    decided: float | None = None  # capture time of the newest sound that led to it; None: t1
    pause: bool = False
    unchanged: bool = False

    def in_place_of(self, unread: Transcript) -> Transcript:
        """The same for a reader who did not get ``unread``, to whom a change of that one is new."""
        if unread.unchanged or not self.unchanged:
            return self
        return replace(self, unchanged=False)


@dataclass(frozen=True, eq=False)
class FaceObservation:
    """The followed face in the frame of time ``t``, or none (``box`` None, the reason in ``why``).

    ``box`` is x, y, width, height in pixels of the frame; ``eyes`` are the centres of the eye on
    the left and on the right *of the frame*, (2, 2) x, y; ``crop`` is aligned by the eyes, None
    with a box where this face's turn to be evaluated has not come.
    """

    t: float
    track: int | None
    box: tuple[float, float, float, float] | None
    eyes: NDArray[np.float32] | None  # shape (2, 2)
    crop: NDArray[np.uint8] | None  # shape (S, S, 3) BGR, S of CropGeometry
    quality: float  # 0..1
    why: str = ""
    mouth: float | None = None  # motion of the mouth since the frame before; of several people
    partial: ClassVar[bool] = True  # a later one replaces it

    @property
    def passed_over(self) -> bool:
        """Whether this face's turn to be evaluated has not come."""
        return self.box is not None and self.crop is None


@dataclass(frozen=True, eq=False)
class Clip:
    """Images spread evenly over ``t0``..``t1``: of the utterance so far, or the last seconds.

    Crops of the followed face, or whole frames. A later clip covers an earlier one, so ``partial``
    ones are replaced by later ones; that of an ended utterance is not ``partial``.
    """

    t0: float
    t1: float
    pictures: NDArray[np.uint8]  # shape (N, H, W, 3) BGR
    quality: float  # 0..1, the mean of theirs
    partial: bool
    utterance: int | None = None
    track: int | None = None  # of the newest image's face


@dataclass(frozen=True, eq=False)
class Evidence:
    """Prediction of one modality for ``t0``..``t1``: calibrated natural log-probabilities.

    ``embedding`` is for fusions that use more: the network's own, or all its steps. ``track`` is
    that of the face (``FaceObservation.track``).
    """

    modality: Modality
    t0: float
    t1: float
    log_probs: NDArray[np.float32]  # shape (7,), in the order of EMOTIONS
    quality: float  # 0..1
    partial: bool
    utterance: int | None = None
    embedding: NDArray[np.float32] | None = None  # shape (d,) or (T, d)
    track: int | None = None
    punctuated: bool = False  # a text
    baseline: float = 0.0  # 0..1: how far the person's baseline, subtracted here, has come


@dataclass(frozen=True)
class Missing:
    """A modality has no prediction for ``t0``..``t1``, and why."""

    modality: Modality
    t0: float
    t1: float
    why: str
    partial: bool
    utterance: int | None = None
    track: int | None = None


@dataclass(frozen=True)
class Tick:
    """The fusion's hop: an estimate is due at time ``t``."""

    t: float


@dataclass(frozen=True, eq=False)
class Contribution:
    """Contribution of one modality to an estimate."""

    label: str
    weight: float  # share of the fused answer, the present modalities' sum is 1
    t: float  # capture time of its newest evidence
    age_s: float  # time of decision minus ``t``
    probs: NDArray[np.float32]  # shape (7,)


@dataclass(frozen=True, eq=False)
class EmotionEstimate:
    """The recognizer's answer at time ``t`` for ``window`` (a final's is its utterance).

    ``label``, ``probs`` and ``confidence`` are None together, when there is no evidence; ``why``
    then has the reason under "label". An absent modality is None in ``modalities`` and
    has its reason in ``why``.

    ``label`` is the most probable one and ``confidence`` its probability; earlier estimates do not
    count.

    A ``provisional`` one is made of an utterance that may have ended, for it was silent for a
    moment: the final follows, ``revised`` where its label differs, unless speech goes on.
    """

    t: float
    window: tuple[float, float]
    label: str | None
    probs: NDArray[np.float32] | None  # shape (7,), in the order of EMOTIONS
    confidence: float | None  # 0..1
    modalities: Mapping[str, Contribution | None]
    why: Mapping[str, str]
    final: bool
    utterance: int | None = None
    provisional: bool = False
    revised: bool = False
    person: int | None = None  # of several people: the track of the face, 0 for a voice alone

    @property
    def partial(self) -> bool:
        """Whether a later estimate replaces this one."""
        return not self.final

    @property
    def of_utterance(self) -> bool:
        """Whether it is of a whole utterance, not of the window up to now."""
        return self.final or self.provisional

    @property
    def subject(self) -> tuple[str, int | None, int | None]:
        """Later estimates of the same subject replace a partial one that nobody has read.

        Running estimates of a person are one subject, whatever the utterance.
        """
        kind = "final" if self.final else "provisional" if self.provisional else "running"
        return (kind, None if kind == "running" else self.utterance, self.person)

    @property
    def newest(self) -> float | None:
        """Capture time of the newest evidence used."""
        return max((c.t for c in self.modalities.values() if c is not None), default=None)

    @property
    def probabilities(self) -> dict[str, float]:
        """``probs`` by name; empty when there is no label."""
        if self.probs is None:
            return {}
        return {name: float(p) for name, p in zip(EMOTIONS, self.probs, strict=True)}

    @property
    def valence(self) -> float | None:
        """Valence, -1 to 1, derived from ``probs`` (``models.affect``); None without them."""
        return None if self.probs is None else valence_arousal(self.probs)[0]

    @property
    def arousal(self) -> float | None:
        """Arousal, -1 to 1, derived as ``valence``."""
        return None if self.probs is None else valence_arousal(self.probs)[1]

    def decided_at(self, t: float) -> EmotionEstimate:
        """The same answer, decided at ``t`` (not before its own): ages grow by the difference."""
        later = t - self.t
        if later <= 0:
            return self
        aged = {
            name: None if c is None else replace(c, age_s=c.age_s + later)
            for name, c in self.modalities.items()
        }
        return replace(self, t=t, modalities=aged)


@dataclass(frozen=True)
class Notice:
    """News for the user: a lost device, a damaged file, a model that is not available."""

    t: float
    level: Literal["info", "warning", "error"]
    about: str
    text: str


@dataclass(frozen=True)
class Health:
    """State of the session: messages dropped, age of the queues, sound lost.

    ``queue`` holds, by mailbox, the age in seconds of the oldest waiting message (None in replay);
    ``latency_ms``, by modality, the newest evidence's delay at the last estimate (None in replay).
    ``baseline``: utterances of speech and seconds of the face that the person's baseline rests on;
    empty where none is learned or used.
    """

    t: float
    drops: Mapping[str, int]
    queue: Mapping[str, float | None]
    gap_s: float
    latency_ms: Mapping[str, float | None] = field(default_factory=dict)
    baseline: Mapping[str, int] = field(default_factory=dict)
    partial: ClassVar[bool] = True  # a later one replaces it


@dataclass(frozen=True)
class SessionEnd:
    """Totals of a session that ended in order: the last of its events."""

    t: float
    utterances: int  # final estimates
    emotions: int  # all estimates
    drops: Mapping[str, int]  # by mailbox


Message: TypeAlias = (
    AudioBlock
    | VideoFrame
    | Gap
    | SpeechUpdate
    | Transcript
    | FaceObservation
    | Clip
    | Evidence
    | Missing
    | Tick
    | EmotionEstimate
    | Notice
    | Health
    | SessionEnd
)
