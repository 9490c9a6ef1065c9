"""Personal baseline: an unlabelled, causal correction of voice and face for one person.

People differ more than emotions do: a deep voice, a still face or a microphone shifts all of a
network's log-probabilities. The mean of what a person's items show beyond the emotion that they
probably show is that shift; it is subtracted. What fills a session may be taken for the person: see
benchmarks/baseline.md for gain and harm.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.face_baseline import FaceBaseline, progress_of
from mmer.models.labels import EMOTIONS
from mmer.models.prediction import log_softmax
from mmer.realtime.blocks.block import Block
from mmer.realtime.messages import Evidence, Message

MODALITIES_WITH_BASELINE: Final = ("speech", "face")
NEUTRAL: Final = EMOTIONS.index("neutral")
TRACKS: Final = 8
"""Most faces whose baselines are kept: of more, the one not seen for longest is dropped."""
LOWEST: Final = -20.0
"""Lower log-probabilities of a face count as this in its learned baseline."""
LONGEST_STEP_S: Final = 0.2
"""A face counts for the time since its last frame, at most this."""


@dataclass(frozen=True)
class BaselineConfig:
    """How fast a baseline is learned; weights in utterances (speech) or seconds (face)."""

    prior: float  # weight of "no offset" against what was seen
    evenness: float = 0.0  # 0..1; share of an item that counts as of any emotion
    usual: float = 0.7  # probability of its emotion in a usual answer
    memory: float = 60.0  # of more weight, the older part fades
    largest: float = 4.0  # offset of a log-probability
    floor: float = -9.0  # lower log-probabilities count as this

    def __post_init__(self) -> None:
        if not (self.prior > 0 and self.memory > 0 and self.largest > 0 and self.floor < 0):
            raise MmerError(f"prior, memory and largest must be above 0, floor below it: {self}")
        if not (0 <= self.evenness <= 1 and 1 / len(EMOTIONS) < self.usual < 1):
            raise MmerError(f"evenness must be 0..1 and usual 1/7..1: {self}")


SESSION: Final[Mapping[str, BaselineConfig]] = {
    "speech": BaselineConfig(prior=4.0),
    "face": BaselineConfig(prior=12.0, evenness=0.5, memory=300.0),
}
"""Of a session, in which a person may feel anything."""
READING_PRIOR: Final = 12.0
READING: Final[Mapping[str, BaselineConfig]] = {
    "speech": BaselineConfig(prior=READING_PRIOR, evenness=0.5),
    "face": BaselineConfig(prior=READING_PRIOR, evenness=0.5, memory=300.0),
}
"""Of a person who reads aloud, half of which is taken to be neutral."""


class Offset:
    """Offset of one person's log-probabilities (7,) from those of everybody.

    An item x is compared with a usual answer q M: q are its probabilities, and M (7, 7) is the
    answer to each emotion of a network that favours none. The offset is the weighted sum of
    x - q M over ``prior`` plus the weights, so it starts at 0. Items count without the offset:
    an error does not feed itself. State is nine numbers.

    Args:
        config: speed and limits.
        neutral: the person is known to be neutral mostly; ``evenness`` then goes to neutral.
    """

    def __init__(self, config: BaselineConfig, neutral: bool = False) -> None:
        self._config = config
        classes = len(EMOTIONS)
        self._usual = np.full((classes, classes), np.log((1 - config.usual) / (classes - 1)))
        np.fill_diagonal(self._usual, np.log(config.usual))
        self._even = np.eye(classes)[NEUTRAL] if neutral else np.full(classes, 1 / classes)
        self._sum = np.zeros(classes)
        self._weight = 0.0
        self.seen = 0.0  # weight of all items, faded or not

    @property
    def value(self) -> NDArray[np.float64]:
        """The offset (7,), of mean 0."""
        return self._of(self._sum, self._weight)

    @property
    def progress(self) -> float:
        """0 where nothing is known, towards 1 the more was seen."""
        return self._weight / (self._config.prior + self._weight)

    def corrected(
        self, log_probs: NDArray[np.floating], weight: float = 1.0
    ) -> NDArray[np.float32]:
        """Log-probabilities (7,) without the offset as it would be with this item; adds nothing.

        What holds NaN is returned as it is.
        """
        if not _numbers(log_probs):
            return np.asarray(log_probs, np.float32)
        x = np.asarray(log_probs, np.float64)
        offset = self._of(self._sum + weight * self._beyond(x), self._weight + weight)
        return log_softmax(x - offset).astype(np.float32)

    def add(self, log_probs: NDArray[np.floating], weight: float = 1.0) -> None:
        """Learn from an item once; ignores one with NaN or without weight."""
        if not _numbers(log_probs) or not weight > 0:
            return
        x = np.asarray(log_probs, np.float64)
        self.seen += weight
        self._sum = self._sum + weight * self._beyond(x)
        self._weight += weight
        if self._weight > self._config.memory:
            fade = self._config.memory / self._weight
            self._sum, self._weight = fade * self._sum, self._config.memory

    def _beyond(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What ``x`` (7,) shows beyond the emotion it probably shows, of mean 0."""
        x = np.maximum(log_softmax(x), self._config.floor)
        share = self._config.evenness
        beyond = x - ((1 - share) * np.exp(x) + share * self._even) @ self._usual
        return np.asarray(beyond - beyond.mean())

    def _of(self, total: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
        limit = self._config.largest
        return np.clip(total / (self._config.prior + weight), -limit, limit)


@dataclass(frozen=True)
class KnownOffset:
    """Offset of a person from a file: the same throughout; ``seen`` is what it was made of."""

    value: NDArray[np.float64]  # shape (7,)
    seen: float

    @property
    def progress(self) -> float:
        """0 where nothing was read, towards 1 the more."""
        return self.seen / (READING_PRIOR + self.seen)

    def corrected(self, log_probs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Log-probabilities (7,) without the offset; what holds NaN is returned as it is."""
        if not _numbers(log_probs):
            return np.asarray(log_probs, np.float32)
        x = np.asarray(log_probs, np.float64)
        return log_softmax(x - self.value).astype(np.float32)


class Relative:
    """One person's answers and what the face's learned baseline makes of them.

    State is fifteen numbers: weighted sums of log-probabilities and of probabilities.
    """

    def __init__(self, learned: FaceBaseline, config: BaselineConfig) -> None:
        self._learned = learned
        self._config = config
        self._logs = np.zeros(len(EMOTIONS))
        self._probs = np.zeros(len(EMOTIONS))
        self._weight = 0.0
        self.seen = 0.0  # seconds, faded or not

    @property
    def progress(self) -> float:
        """0 where nothing is known, towards 1 the more was seen of different emotions."""
        if not self._weight:
            return 0.0
        probs = self._probs / self._weight
        return float(progress_of(self._weight, self._learned.prior_s, probs))

    def corrected(
        self, log_probs: NDArray[np.floating], weight: float = 1.0
    ) -> NDArray[np.float32]:
        """Log-probabilities (7,) as if this item had been added; adds nothing.

        What holds NaN, and an item before which nothing was seen and that has no weight, is
        returned as it is.
        """
        total = self._weight + weight
        if not _numbers(log_probs) or not total > 0:
            return np.asarray(log_probs, np.float32)
        x = self._floored(log_probs)
        mean = (self._logs + weight * x) / total
        probs = (self._probs + weight * np.exp(x)) / total
        progress = float(progress_of(total, self._learned.prior_s, probs))
        return self._learned.corrected(x, mean, probs, progress)

    def add(self, log_probs: NDArray[np.floating], weight: float = 1.0) -> None:
        """Learn from an item once; ignores one with NaN or without weight."""
        if not _numbers(log_probs) or not weight > 0:
            return
        x = self._floored(log_probs)
        self.seen += weight
        self._logs = self._logs + weight * x
        self._probs = self._probs + weight * np.exp(x)
        self._weight += weight
        if self._weight > self._config.memory:
            fade = self._config.memory / self._weight
            self._logs, self._probs = fade * self._logs, fade * self._probs
            self._weight = self._config.memory

    def _floored(self, log_probs: NDArray[np.floating]) -> NDArray[np.float64]:
        x = log_softmax(np.asarray(log_probs, np.float64))
        return np.maximum(x, LOWEST)


def _numbers(log_probs: NDArray[np.floating]) -> bool:
    """Whether log-probabilities (7,) hold no NaN; -inf is a probability of 0."""
    return not np.isnan(log_probs).any() and bool(np.isfinite(np.max(log_probs)))


def begun(modality: str, learned: FaceBaseline | None = None) -> Offset | Relative:
    """A session's baseline of one person, from nothing; ``learned`` is for the face."""
    config = SESSION[modality]
    return Offset(config) if learned is None else Relative(learned, config)


class Baselines:
    """Baselines of one modality, one a person, and the correction of that modality's Evidence.

    Speech (and clips of a face) count once, with the evidence that is not partial, weighed by
    quality: a provisional answer is corrected as if it were the final one, so that both agree, and
    one that is withdrawn leaves no trace. A frame of a face counts for the time since the last one.

    Args:
        modality: "speech" or "face".
        known: the person's offset from a file, of whoever is seen or heard; left out, each
            person's is learned in this session, from nothing.
        learned: the face network's own correction; left out, an ``Offset``.
    """

    def __init__(
        self,
        modality: str,
        known: KnownOffset | None = None,
        learned: FaceBaseline | None = None,
    ) -> None:
        self.modality = modality
        self._known = known
        self._learned = learned
        self.forget()

    @property
    def seen(self) -> int:
        """Weight behind the person last corrected: utterances of speech, seconds of a face."""
        return self._seen

    def corrected(self, evidence: Evidence, person: int | None) -> Evidence:
        """Evidence of one person, corrected; the baseline learns from it afterwards."""
        if self._known is not None:
            log_probs = self._known.corrected(evidence.log_probs)
            return replace(evidence, log_probs=log_probs, baseline=self._known.progress)
        own = self._of(person)
        frame = self.modality == "face" and evidence.t0 == evidence.t1
        length = 1.0 if self.modality == "speech" else evidence.t1 - evidence.t0
        weight = evidence.quality * (self._step_s(evidence.t1, person) if frame else length)
        log_probs = own.corrected(evidence.log_probs, weight)
        made = replace(evidence, log_probs=log_probs, baseline=own.progress)
        if frame or not evidence.partial:
            own.add(evidence.log_probs, weight)
        self._seen = int(own.seen)
        return made

    def next_stream(self) -> None:
        """Forget the times of the stream, but nobody in it."""
        self._last_t.clear()

    def forget(self) -> None:
        """Forget everybody."""
        self._people: OrderedDict[int | None, Offset | Relative] = OrderedDict()
        self._last_t: dict[int | None, float] = {}
        self._seen = 0 if self._known is None else round(self._known.seen)

    def _of(self, person: int | None) -> Offset | Relative:
        own = self._people.setdefault(person, begun(self.modality, self._learned))
        self._people.move_to_end(person)
        while len(self._people) > TRACKS:
            gone, _ = self._people.popitem(last=False)
            self._last_t.pop(gone, None)
        return own

    def _step_s(self, t: float, person: int | None) -> float:
        before = self._last_t.get(person)
        self._last_t[person] = t
        if before is None:
            return 0.0
        return min(LONGEST_STEP_S, max(0.0, t - before))


class Baselined(Block):
    """An encoder's block whose Evidence is corrected for the person; one person a face track.

    Other messages, embeddings and qualities pass as they are. Arguments as of ``Baselines``.
    """

    def __init__(
        self,
        block: Block,
        modality: str,
        known: KnownOffset | None = None,
        learned: FaceBaseline | None = None,
    ) -> None:
        self.block = block
        self.baselines = Baselines(modality, known, learned)

    def push(self, message: Message) -> Sequence[Message]:
        return [self._with_baseline(made) for made in self.block.push(message)]

    def flush(self) -> Sequence[Message]:
        return [self._with_baseline(made) for made in self.block.flush()]

    def reset(self) -> None:
        """Forget the stream and everybody in it."""
        self.block.reset()
        self.baselines.forget()

    def next_stream(self) -> None:
        """Forget the stream, but not the person: another recording of the same one follows."""
        self.block.reset()
        self.baselines.next_stream()

    def forget(self) -> None:
        """Forget everybody, but not the stream."""
        self.baselines.forget()

    def _with_baseline(self, message: Message) -> Message:
        if not isinstance(message, Evidence) or message.modality != self.baselines.modality:
            return message
        return self.baselines.corrected(message, message.track)
