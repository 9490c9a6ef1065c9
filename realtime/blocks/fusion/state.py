"""State of the fusion block: face evidence by time, speech and text by utterance, and gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mmer.models.labels import EMOTIONS
from mmer.realtime.blocks.fusion.pooling import normalise
from mmer.realtime.blocks.fusion.window import EvidenceWindow
from mmer.realtime.messages import Evidence, Gap, Missing, SpeechState, SpeechUpdate, Stream

SPOKEN: Final = ("speech", "text")
"""The modalities whose evidence belongs to an utterance."""

SLACK_S: Final = 0.05
"""How far apart two clocks of one stream may run: the device's, and the count of its samples."""

Outcome = Evidence | Missing


def newest(outcomes: list[Outcome], until: float = float("inf")) -> Outcome | None:
    """The outcome that counts of one modality's with ``t1 <= until``: the final, else the latest.

    A final may end before the last partial did (the hangover is not speech): it wins all the same.
    Of equals the last to arrive counts.
    """
    best: Outcome | None = None
    for item in outcomes:
        if item.t1 > until:
            continue
        if best is None or (not item.partial, item.t1) >= (not best.partial, best.t1):
            best = item
    return best


def settled(outcomes: list[Outcome], pause: Pause | None = None) -> bool:
    """Whether the modality's final outcome has arrived, or its outcome for ``pause``."""
    return any(not item.partial or (pause and item.t1 == pause.t1) for item in outcomes)


def heard_at(outcomes: list[Outcome], pause: Pause) -> bool:
    """Whether the modality has evidence, and not only a reason for none, for ``pause``."""
    return any(isinstance(item, Evidence) and item.t1 == pause.t1 for item in outcomes)


def trim(outcomes: list[Outcome], until: float) -> None:
    """Keep, in place, what counts at ``until`` and what is later."""
    best = newest(outcomes, until)
    outcomes[:] = [item for item in outcomes if item is best or item.t1 > until]


@dataclass
class Pause:
    """A pause of an open utterance, which ends there if no speech follows."""

    t1: float  # end of speech
    decided: float
    known: float  # the same; later where its sound came late
    answered: bool = False  # its provisional estimate is out
    label: str | None = None  # of that


@dataclass
class Utterance:
    """One utterance as far as the fusion knows it."""

    number: int
    t0: float
    t1: float
    announced: bool = False  # by a SpeechUpdate: a final estimate is due
    decided: float | None = None  # when its end was decided; None while the person speaks
    known: float = float("inf")  # the same; later where its sound came late
    pause: Pause | None = None  # that may be its end
    answered: bool = False  # its final estimate is out
    speech: list[Outcome] = field(default_factory=list)
    text: list[Outcome] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether the person is still speaking."""
        return self.announced and self.decided is None

    @property
    def final_due(self) -> bool:
        """Whether its final estimate is still to come."""
        return self.announced and not self.answered

    def outcomes(self, modality: str) -> list[Outcome]:
        """Outcomes of "speech" or "text" in order of arrival; none of "face"."""
        return {"speech": self.speech, "text": self.text}.get(modality, [])


class FusionState:
    """Everything that estimates are made of; bounded when ``forget`` is called now and then."""

    def __init__(self) -> None:
        self.face = EvidenceWindow(len(EMOTIONS))
        self.no_face: list[Outcome] = []
        self.face_baseline = 0.0  # of the face that came last, 0..1
        self._utterances: dict[int, Utterance] = {}
        self._over = -1  # number of the newest utterance that was answered and forgotten
        self._gaps: list[Gap] = []
        # newest capture time of data
        self._newest: dict[Stream, float] = {"audio": float("-inf"), "video": float("-inf")}

    def update_utterance(self, update: SpeechUpdate, now: float) -> Utterance:
        """Store how far an utterance has come; ``now`` is the last tick's time."""
        self._newest["audio"] = max(self._newest["audio"], update.decided)
        utterance = self._utterance(update.utterance, update.t0, update.t1)
        utterance.announced = True
        utterance.t0 = update.t0
        if update.state is SpeechState.ENDED:
            utterance.t1, utterance.decided = update.t1, update.decided
            utterance.known = max(update.decided, now)
        elif update.state is SpeechState.PAUSED:
            utterance.pause = Pause(update.t1, update.decided, max(update.decided, now))
        else:  # speech goes on
            utterance.pause = None
        return utterance

    def is_over(self, number: int) -> bool:
        """Whether an utterance was answered and forgotten: updates of it come too late."""
        return number <= self._over

    def add_face(self, outcome: Outcome) -> None:
        """Store evidence of the face, or the reason why there is none."""
        self._newest["video"] = max(self._newest["video"], outcome.t1)
        if isinstance(outcome, Evidence):
            log_probs = normalise(outcome.log_probs)
            self.face_baseline = outcome.baseline
            self.face.add(outcome.t1, outcome.quality, log_probs, outcome.embedding)
        else:
            self.no_face.append(outcome)

    def add_evidence(self, outcome: Outcome, number: int) -> Utterance:
        """Store evidence of speech or text of utterance ``number``, or why there is none."""
        utterance = self._utterance(number, outcome.t0, outcome.t1)
        utterance.outcomes(outcome.modality).append(outcome)
        return utterance

    def add_gap(self, gap: Gap) -> None:
        """Store a lost or absent stretch of a stream; one without end ends with the next."""
        endless = float("inf")
        if gap.t1 < endless:
            self._gaps = [g for g in self._gaps if g.stream != gap.stream or g.t1 < endless]
        self._gaps.append(gap)

    def utterances(self) -> list[Utterance]:
        """Those stored, in order of number."""
        return [self._utterances[number] for number in sorted(self._utterances)]

    def current(self, after: float, t: float) -> Utterance | None:
        """The newest utterance that overlaps (after, t]."""
        recent = [u for u in self.utterances() if u.t0 <= t and (u.open or u.t1 > after)]
        return recent[-1] if recent else None

    def gap(self, stream: Stream, after: float, t: float) -> Gap | None:
        """The latest gap of ``stream`` in (after, t]; an endless one ends when data comes again."""
        newest_t = self._newest[stream]
        gaps = [
            gap
            for gap in self._gaps
            if gap.stream == stream
            and gap.t0 <= t
            and gap.t1 > after
            and not (gap.t1 == float("inf") and newest_t > gap.t0 + SLACK_S)
        ]
        return max(gaps, key=lambda gap: (gap.t1, gap.t0), default=None)

    def forget(self, t: float, after: float, longest_s: float, margin_s: float) -> None:
        """Drop what no estimate after the tick at ``t`` can use.

        What stays: the window from ``after`` on and, for at most ``longest_s`` more, what an
        utterance needs whose final is due, the face from ``margin_s`` before it on.
        """
        oldest = after - longest_s
        for u in self.utterances():
            # an open utterance without news for so long has lost its end
            if u.t1 <= (oldest if u.final_due else after):
                del self._utterances[u.number]
                if u.answered:
                    self._over = max(self._over, u.number)
                continue
            trim(u.speech, t)
            trim(u.text, t)
        trim(self.no_face, t)
        starts = [u.t0 - margin_s for u in self._utterances.values() if u.final_due]
        self.face.forget(max(oldest, min([after, *starts])))
        self._gaps = [gap for gap in self._gaps if gap.t1 > oldest]

    def _utterance(self, number: int, t0: float, t1: float) -> Utterance:
        utterance = self._utterances.setdefault(number, Utterance(number, t0, t1))
        if utterance.decided is None:
            utterance.t1 = max(utterance.t1, t1)
        return utterance
