"""Fusion of several people: a fusion block for each, and the voice for the one who speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mmer.realtime.blocks.baseline import Baselines
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.fusion.block import FusionBlock
from mmer.realtime.blocks.fusion.speaker import NOBODY, Mouths
from mmer.realtime.messages import (
    EmotionEstimate,
    Evidence,
    FaceObservation,
    Gap,
    Message,
    Missing,
    Notice,
    SpeechState,
    SpeechUpdate,
    Tick,
    Transcript,
)

_GONE_S: Final = 6.0
"""A person without a face for so long has no estimates any more."""
_EARLY_S: Final = 1.0
"""So much of an utterance is enough where one mouth fits much better than the others."""
_CLEAR: Final = 2.5
"""How much better that is."""
_KEPT: Final = 64  # utterances whose person is known

Made = EmotionEstimate | Notice


@dataclass
class _Utterance:
    """Messages of an utterance whose speaker is not known yet."""

    waiting: list[Message] = field(default_factory=list)
    update: SpeechUpdate | None = None  # the newest
    t1: float = -math.inf  # of the newest message


class PeopleFusion(Block):
    """As FusionBlock, with an estimate for each person, whose number is the track of the face.

    Evidence of a face goes to its person. What belongs to an utterance waits until its speaker is
    known: at its first pause or end, after a second where one mouth fits much better than the
    others (`Mouths`), or after ``FusionConfig.lost_end_s`` where its end never comes. Then it goes
    to that person, or to ``NOBODY`` (0), a voice alone. Every utterance has one final, of one
    person. Who has left has estimates for some seconds more.

    Args:
        make: a fusion block for one more person.
        only_speaker: running estimates of the person who spoke last alone; before anybody has
            spoken, of the one who came first.
        voices: baselines of the voices, by person; left out, voices count as they are.
    """

    def __init__(
        self,
        make: Callable[[], FusionBlock],
        only_speaker: bool = False,
        voices: Baselines | None = None,
    ) -> None:
        self.voices = voices
        self._make = make
        self._only_speaker = only_speaker
        self._lost_end_s = make().lost_end_s
        self.reset()

    def push(self, message: Message) -> Sequence[Made]:
        if isinstance(message, Tick):
            return self._tick(message)
        if isinstance(message, FaceObservation):
            self._observe(message)
            return ()
        if isinstance(message, Evidence | Missing) and message.modality == "face":
            return self._face(message)
        if isinstance(message, Gap):
            return self._gap(message)
        if not isinstance(message, SpeechUpdate | Transcript | Evidence | Missing):
            return ()
        number = message.utterance
        return () if number is None else self._spoken(number, message)

    def flush(self) -> Sequence[Made]:
        out: list[Made] = []
        for number in sorted(self._open):
            out += self._decide(number)
        for person in sorted(self._blocks):
            out += self._of(person, self._blocks[person].flush())
        return out

    def reset(self) -> None:
        if self.voices is not None:
            self.voices.forget()
        self._blocks: dict[int, FusionBlock] = {}
        self._seen: dict[int, float] = {}  # when each face was last there
        self._mouths = Mouths()
        self._open: dict[int, _Utterance] = {}
        # by utterance; None: that person has left, and the utterance has its final
        self._person_of: dict[int, int | None] = {}
        self._gaps: list[Gap] = []  # without end: for those who come later
        self._spoke = NOBODY  # last
        self._spoke_t = -math.inf
        self._now = -math.inf

    # --- faces -----------------------------------------------------------------------------------

    def _observe(self, seen: FaceObservation) -> None:
        if seen.track is None or seen.box is None:
            return
        self._seen[seen.track] = max(seen.t, self._seen.get(seen.track, -math.inf))
        if seen.mouth is not None:
            self._mouths.add(seen.track, seen.t, seen.mouth)

    def _face(self, outcome: Evidence | Missing) -> list[Made]:
        people: Iterable[int] = [outcome.track] if outcome.track is not None else list(self._blocks)
        out: list[Made] = []
        for person in people:
            if person in self._blocks or isinstance(outcome, Evidence):
                out += self._to(person, outcome)
        return out

    def _gap(self, gap: Gap) -> list[Made]:
        self._gaps = [g for g in self._gaps if g.stream != gap.stream]
        if math.isinf(gap.t1):
            self._gaps.append(gap)
        out: list[Made] = []
        for person in sorted(self._blocks):
            out += self._to(person, gap)
        return out

    # --- utterances ------------------------------------------------------------------------------

    def _spoken(
        self, number: int, message: SpeechUpdate | Transcript | Evidence | Missing
    ) -> list[Made]:
        if number in self._person_of:
            person = self._person_of[number]
            if person == self._spoke and isinstance(message, SpeechUpdate):
                self._spoke_t = max(self._spoke_t, message.t1)
            return [] if person is None else self._to(person, message)
        utterance = self._open.setdefault(number, _Utterance())
        utterance.waiting.append(message)
        utterance.t1 = max(utterance.t1, message.t1)
        if not isinstance(message, SpeechUpdate):
            late = not message.partial
            return self._decide(number) if late and utterance.update is None else []
        utterance.update = message
        if message.state in (SpeechState.PAUSED, SpeechState.ENDED) or self._is_clear(message):
            return self._decide(number)
        return []

    def _is_clear(self, update: SpeechUpdate) -> bool:
        """Whether the speaker is plain before the first pause."""
        if update.t1 - update.t0 < _EARLY_S:
            return False
        scores = sorted(self._mouths.scores(update).values(), reverse=True)
        return bool(scores) and scores[0] > _CLEAR * (scores[1] if len(scores) > 1 else 0.0)

    def _decide(self, number: int) -> list[Made]:
        """Give an utterance to its speaker, with all that has come of it."""
        utterance = self._open.pop(number)
        person = NOBODY
        if utterance.update is not None:
            scores = self._mouths.scores(utterance.update)
            person = max(sorted(scores), key=lambda p: scores[p], default=NOBODY)
            self._spoke, self._spoke_t = person, utterance.update.t1
        self._person_of[number] = person
        while len(self._person_of) > _KEPT:
            del self._person_of[next(iter(self._person_of))]
        out: list[Made] = []
        for message in utterance.waiting:
            out += self._to(person, message)
        return out

    # --- estimates -------------------------------------------------------------------------------

    def _to(self, person: int, message: Message) -> list[Made]:
        if person not in self._blocks:
            self._blocks[person] = self._make()
            for gap in self._gaps:
                self._blocks[person].push(gap)
        if isinstance(message, Evidence) and message.modality == "speech" and self.voices:
            message = self.voices.corrected(message, person)
        return self._of(person, self._blocks[person].push(message))

    @staticmethod
    def _of(person: int, made: Iterable[Made]) -> list[Made]:
        return [replace(m, person=person) if isinstance(m, EmotionEstimate) else m for m in made]

    def _tick(self, tick: Tick) -> list[Made]:
        self._now = max(self._now, tick.t)
        out = self._retire()
        since = self._now - self._lost_end_s
        for number in sorted(n for n, u in self._open.items() if u.t1 <= since):  # its end is lost
            out += self._decide(number)
        if not self._blocks:
            return out + self._to(NOBODY, tick)
        shown = self._shown()
        for person in sorted(self._blocks):
            for made in self._to(person, tick):
                running = isinstance(made, EmotionEstimate) and not made.of_utterance
                if not running or person in shown:
                    out.append(made)
        return out

    def _retire(self) -> list[Made]:
        """Let go of those who have left, and of the voice alone while it is silent."""
        out: list[Made] = []
        for person in sorted(self._blocks, reverse=True):
            newest = self._seen.get(person, -math.inf)
            if person == self._spoke:
                newest = max(newest, self._spoke_t)
            # there is always an answer: the last one stays
            if self._now - newest > _GONE_S and len(self._blocks) > 1:
                out += self._of(person, self._blocks.pop(person).flush())
                for number in [n for n, p in self._person_of.items() if p == person]:
                    self._person_of[number] = None
        # those without an answer too: their faces may never have been good enough
        for person in [p for p, t in self._seen.items() if self._now - t > _GONE_S]:
            if person not in self._blocks:
                del self._seen[person]
                self._mouths.forget(person)
        return out

    def _shown(self) -> set[int]:
        """The people whose running estimates are given out."""
        if not self._only_speaker:
            return set(self._blocks)
        if self._spoke in self._blocks:
            return {self._spoke}
        return {min(self._blocks)}
