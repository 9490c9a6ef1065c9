"""What the fusion remembers: the face by time, voice and words by utterance, and the gaps."""

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

Said = Evidence | Missing


def newest(said: list[Said], until: float = float("inf")) -> Said | None:
    """What counts of one modality's messages with ``t1 <= until``: the final, else the latest.

    A final may end before the last partial did (the hangover is not speech): it wins all the same.
    Of equals the last to arrive counts.
    """
    best: Said | None = None
    for item in said:
        if item.t1 > until:
            continue
        if best is None or (not item.partial, item.t1) >= (not best.partial, best.t1):
            best = item
    return best


def settled(said: list[Said]) -> bool:
    """Whether the final word of the modality is in."""
    return any(not item.partial for item in said)


def trim(said: list[Said], until: float) -> None:
    """Keep, in place, what counts at ``until`` and what is later."""
    best = newest(said, until)
    said[:] = [item for item in said if item is best or item.t1 > until]


@dataclass
class Utterance:
    """One utterance as far as the fusion knows it."""

    number: int
    t0: float
    t1: float
    announced: bool = False  # a SpeechUpdate told of it: it is owed a final estimate
    decided: float | None = None  # when its end was decided; None while the person speaks
    answered: bool = False  # its final estimate is out
    speech: list[Said] = field(default_factory=list)
    text: list[Said] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether the person is still speaking."""
        return self.announced and self.decided is None

    @property
    def owed(self) -> bool:
        """Whether its final estimate is still to come."""
        return self.announced and not self.answered

    def said(self, modality: str) -> list[Said]:
        """The messages of "speech" or "text", in order of arrival."""
        return self.speech if modality == "speech" else self.text


class Memory:
    """All that estimates are made of; bounded when ``forget`` is called now and then."""

    def __init__(self) -> None:
        self.face = EvidenceWindow(len(EMOTIONS))
        self._no_face: list[Said] = []
        self._utterances: dict[int, Utterance] = {}
        self._gaps: list[Gap] = []
        # newest capture time of data
        self._seen: dict[Stream, float] = {"audio": float("-inf"), "video": float("-inf")}

    def hear(self, update: SpeechUpdate) -> Utterance:
        """Note how far an utterance has come."""
        self._seen["audio"] = max(self._seen["audio"], update.decided)
        utterance = self._utterance(update.utterance, update.t0, update.t1)
        utterance.announced = True
        utterance.t0 = update.t0
        if update.state is SpeechState.ENDED:
            utterance.t1, utterance.decided = update.t1, update.decided
        return utterance

    def see(self, said: Said) -> None:
        """Keep what is said of the face."""
        self._seen["video"] = max(self._seen["video"], said.t1)
        if isinstance(said, Evidence):
            self.face.add(said.t1, said.quality, normalise(said.log_probs), said.embedding)
        else:
            self._no_face.append(said)

    def listen(self, said: Said, number: int) -> Utterance:
        """Keep what is said of the voice or the words of utterance ``number``."""
        utterance = self._utterance(number, said.t0, said.t1)
        utterance.said(said.modality).append(said)
        return utterance

    def lose(self, gap: Gap) -> None:
        """Keep what was lost or is not there."""
        self._gaps.append(gap)

    def utterances(self) -> list[Utterance]:
        """Those remembered, in order of number."""
        return [self._utterances[number] for number in sorted(self._utterances)]

    def current(self, after: float, t: float) -> Utterance | None:
        """The newest utterance of which something lies in (after, t]."""
        of_late = [u for u in self.utterances() if u.t0 <= t and (u.open or u.t1 > after)]
        return of_late[-1] if of_late else None

    def gap(self, stream: Stream, after: float, t: float) -> Gap | None:
        """The latest gap of ``stream`` in (after, t]; an endless one ends when data comes again."""
        seen = self._seen[stream]
        gaps = [
            gap
            for gap in self._gaps
            if gap.stream == stream
            and gap.t0 <= t
            and gap.t1 > after
            and not (gap.t1 == float("inf") and seen > gap.t0 + SLACK_S)
        ]
        return max(gaps, key=lambda gap: (gap.t1, gap.t0), default=None)

    def why_no_face(self, after: float, t: float) -> str:
        """The reason why there is no evidence of the face in (after, t]."""
        gap = self.gap("video", after, t)
        said = newest(self._no_face, t)
        said_since = said is not None and said.t1 > after and (gap is None or said.t1 >= gap.t1)
        if isinstance(said, Missing) and said_since:
            return said.why
        return "waiting" if gap is None else gap.cause

    def why_not_spoken(self, modality: str, after: float, t: float) -> str:
        """The reason why there is no evidence of "speech" or "text" in (after, t]."""
        gap = self.gap("audio", after, t)
        utterance = self.current(after, t)
        if gap is not None and (gap.t1 >= t or utterance is None):
            return gap.cause
        if utterance is None:
            return "silence"
        said = newest(utterance.said(modality), t)
        if isinstance(said, Missing):
            return said.why
        return "late" if utterance.answered else "waiting"

    def forget(self, t: float, after: float, longest_s: float, margin_s: float) -> None:
        """Drop what no estimate after the tick at ``t`` can use.

        Kept are the window from ``after`` on and, for at most ``longest_s`` more, what an
        utterance needs that is owed an estimate, the face from ``margin_s`` before it on.
        """
        oldest = after - longest_s
        for u in self.utterances():
            # an open utterance without news for so long has lost its end
            if u.t1 <= (oldest if u.owed else after):
                del self._utterances[u.number]
                continue
            trim(u.speech, t)
            trim(u.text, t)
        trim(self._no_face, t)
        starts = [u.t0 - margin_s for u in self._utterances.values() if u.owed]
        self.face.forget(max(oldest, min([after, *starts])))
        self._gaps = [gap for gap in self._gaps if gap.t1 > oldest]

    def _utterance(self, number: int, t0: float, t1: float) -> Utterance:
        utterance = self._utterances.setdefault(number, Utterance(number, t0, t1))
        if utterance.decided is None:
            utterance.t1 = max(utterance.t1, t1)
        return utterance
