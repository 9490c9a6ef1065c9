"""Fusion block: evidence of speech, text and face -> one estimate a hop and one an utterance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.fusion import Opinion
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.blocks.block import Block
from mmer.realtime.blocks.fusion.pooling import Pool, ProductPool, normalise, summarise
from mmer.realtime.blocks.fusion.reasons import Reasons, why_no_label
from mmer.realtime.blocks.fusion.state import (
    SPOKEN,
    FusionState,
    Outcome,
    Pause,
    Utterance,
    heard_at,
    newest,
    settled,
)
from mmer.realtime.blocks.fusion.window import Span
from mmer.realtime.messages import (
    Contribution,
    EmotionEstimate,
    Evidence,
    Gap,
    Message,
    Missing,
    Notice,
    SpeechUpdate,
    Tick,
)


@dataclass(frozen=True)
class FusionConfig:
    """The window, the wait for a final, and how fast evidence within the window fades."""

    window_s: float = 4.0
    final_wait_s: float = 0.5  # how long after an utterance's end its final waits for the slowest
    provisional_wait_s: float = 0.06  # the same of a pause; the voice is waited for in any case
    min_confidence: float = 0.0  # below it there is no label ("too unsure"); 0 = always a label
    face_margin_s: float = 0.25  # the face counts so long before and after an utterance as well
    longest_utterance_s: float = 20.0  # of the VAD: bounds the state
    speech_tau_s: float = 3.0  # of a modality's pieces in the window, one of this age weighs 1/e
    text_tau_s: float = 3.0
    face_tau_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("window_s", "longest_utterance_s", "speech_tau_s", "text_tau_s", "face_tau_s"):
            if not getattr(self, name) > 0:
                raise MmerError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("final_wait_s", "provisional_wait_s", "face_margin_s"):
            if getattr(self, name) < 0:
                raise MmerError(f"{name} cannot be negative, got {getattr(self, name)}")
        if not 0.0 <= self.min_confidence <= 1.0:
            raise MmerError(f"min_confidence must be 0..1, got {self.min_confidence}")

    @property
    def tau_s(self) -> Mapping[str, float]:
        """Seconds by modality."""
        return {"speech": self.speech_tau_s, "text": self.text_tau_s, "face": self.face_tau_s}

    @property
    def lost_end_s(self) -> float:
        """An open utterance without news for so many seconds has lost its end: it is answered."""
        return self.window_s + self.longest_utterance_s


class FusionBlock(Block):
    """Evidence, Missing, SpeechUpdate, Gap, Tick -> EmotionEstimate.

    **At a Tick** of time t: an estimate over (t - ``window_s``, t]. Of speech and text the newest
    evidence of each utterance counts (it is cumulative), of the face every frame. Evidence
    captured after t waits for a later tick.

    **At a pause within an utterance**, which may be its end: one ``provisional`` estimate of the
    utterance until there, as soon as each modality that ``expects`` names has its outcome for the
    pause. Where the voice has its evidence, it comes at the latest at the first tick
    ``provisional_wait_s`` after the pause was decided, with the words as far as they have come.
    None where speech goes on before.

    **At an utterance's end**: one estimate with ``final=True`` over the utterance, as soon as each
    modality that ``expects`` names has its final outcome, at the latest at the first tick
    ``final_wait_s`` after the end was decided, or after it was heard of where sound comes late (a
    program that pushes it second by second). Partial evidence counts as far as it goes; what has
    not come is "late", and counts in later ticks alone.

    Each modality's evidence is pooled (``pooling.summarise``), then ``pool`` makes one opinion of
    theirs. A modality without evidence is None and has its reason (``Reasons``): "off", a gap's
    cause, "silence", "waiting" (nothing yet), "late", or what the encoder reported ("no words",
    "too short", "no face", "poor picture: ..."). The block never asks for the time: an estimate's
    ``t`` is the tick's, or the later of the decided end and the last tick, and never decreases. A
    runner may put a later ``t``, up to its next tick's.

    Args:
        config: window, waiting, fading.
        modalities: those switched on, of "speech", "text", "face".
        expects: those of "speech" and "text" that a final waits for; default: all that are
            switched on and not ``absent``.
        absent: why a modality that is switched on has no evidence ("no recognizer").
        pool: combines the modalities' opinions; default: their product.
        clips: the face's evidence is of clips, of which the newest alone counts: it covers the
            ones before.
        strict: an exception of the pool is raised, and an answer without numbers is one; by
            default the estimate has no label then, and the first one a notice.

    Raises:
        ValueError: unknown or contradictory names; evidence that is not (7,) numbers, or of speech
            or text without an utterance.
    """

    def __init__(
        self,
        config: FusionConfig | None = None,
        modalities: Collection[str] = MODALITIES,
        expects: Collection[str] | None = None,
        absent: Mapping[str, str] | None = None,
        pool: Pool | None = None,
        clips: bool = False,
        strict: bool = False,
    ) -> None:
        self._config = config or FusionConfig()
        self._pool = pool or ProductPool(self._config.tau_s)
        self._clips = clips
        self._strict = strict
        absent = dict(absent or {})
        if not set(modalities) <= set(MODALITIES):
            raise ValueError(f"modalities must be of {MODALITIES}, got {sorted(modalities)}")
        able = set(modalities) & set(SPOKEN) - set(absent)
        if expects is not None and not set(expects) <= able:
            raise ValueError(f"expects must be of {sorted(able)}, got {sorted(expects)}")
        # tuples in a fixed order: no result may depend on the order of a set
        self._reasons = Reasons(
            modalities=tuple(m for m in MODALITIES if m in modalities),
            expects=tuple(m for m in SPOKEN if m in (able if expects is None else expects)),
            absent=absent,
        )
        self.reset()

    @property
    def lost_end_s(self) -> float:
        """That of its config."""
        return self._config.lost_end_s

    def push(self, message: Message) -> Sequence[EmotionEstimate | Notice]:
        return self._with_notice(self._answers(message))

    def _answers(self, message: Message) -> Sequence[EmotionEstimate]:
        if isinstance(message, Tick):
            return self._tick(message.t)
        if isinstance(message, SpeechUpdate):
            if self._state.is_over(message.utterance):
                return ()
            return self._if_settled(self._state.update_utterance(message, self._now))
        if isinstance(message, Evidence | Missing):
            return self._add(message)
        if isinstance(message, Gap):
            self._state.add_gap(message)
        return ()

    def flush(self) -> Sequence[EmotionEstimate | Notice]:
        """Finals of all utterances that have none yet, one still open included."""
        due = [self._final(u) for u in self._state.utterances() if u.final_due]
        return self._with_notice(due)

    def reset(self) -> None:
        self._state = FusionState()
        self._now = float("-inf")  # the last tick's time
        self._last_t = float("-inf")  # the last estimate's time
        self._failing = False  # the pool, when last asked
        self._notices: list[Notice] = []  # not yet given out

    def _with_notice(self, made: Sequence[EmotionEstimate]) -> Sequence[EmotionEstimate | Notice]:
        if not self._notices:
            return made
        notices, self._notices = self._notices, []
        return [*notices, *made]

    def _add(self, outcome: Outcome) -> Sequence[EmotionEstimate]:
        if outcome.modality not in self._reasons.modalities:
            return ()
        if isinstance(outcome, Evidence):
            _check(outcome)
            if outcome.quality <= 0.0:  # nothing to weigh it by
                span, why = (outcome.t0, outcome.t1), "poor quality"
                outcome = Missing(outcome.modality, *span, why, outcome.partial, outcome.utterance)
        if outcome.modality == "face":
            self._state.add_face(outcome)
            return ()
        if outcome.utterance is None:
            raise ValueError(f"evidence of {outcome.modality} must name its utterance")
        return self._if_settled(self._state.add_evidence(outcome, outcome.utterance))

    def _if_settled(self, utterance: Utterance) -> Sequence[EmotionEstimate]:
        """The final estimate, or the provisional one of a pause, once what it needs is there."""
        pause = utterance.pause if utterance.open else None
        due = utterance.final_due and (not utterance.open or (pause and not pause.answered))
        if not due:
            return ()
        if not all(settled(utterance.outcomes(m), pause) for m in self._reasons.expects):
            return ()
        return (self._final(utterance) if pause is None else self._provisional(utterance, pause),)

    def _late_words(self) -> list[EmotionEstimate]:
        """Provisional estimates of pauses whose words are not there in time."""
        since = self._now - self._config.provisional_wait_s
        return [
            self._provisional(u, pause)
            for u in self._state.utterances()
            if u.open and (pause := u.pause) is not None and not pause.answered
            if pause.known <= since and heard_at(u.speech, pause)
        ]

    def _tick(self, t: float) -> Sequence[EmotionEstimate]:
        self._now = max(self._now, t)
        deadline = self._now - self._config.final_wait_s
        lost = max(self._now, self._last_t) - self._config.lost_end_s
        out = [
            self._final(u)
            for u in self._state.utterances()
            if u.final_due and (u.t1 <= lost if u.open else u.known <= deadline)
        ]
        out += self._late_words()
        t = max(self._now, self._last_t)
        after = t - self._config.window_s
        spans = {"face": self._face(after, t)}
        for modality in SPOKEN:
            outcomes = (newest(u.outcomes(modality), t) for u in self._state.utterances())
            spans[modality] = _span(
                item for item in outcomes if isinstance(item, Evidence) and item.t1 > after
            )
        why = self._why_missing(spans, after, t)
        current = self._state.current(after, t)
        number = None if current is None else current.number
        out.append(
            self._estimate(t, (max(0.0, after), t), spans, why, number, self._talking(current, t))
        )
        config = self._config
        self._state.forget(t, after, config.longest_utterance_s, config.face_margin_s)
        return out

    def _final(self, utterance: Utterance) -> EmotionEstimate:
        utterance.answered = True
        decided = utterance.t1 if utterance.decided is None else utterance.decided
        final = replace(self._of_utterance(utterance, utterance.t1, decided), final=True)
        pause = utterance.pause
        revised = pause is not None and pause.answered and pause.label != final.label
        return replace(final, revised=revised)

    def _provisional(self, utterance: Utterance, pause: Pause) -> EmotionEstimate:
        made = self._of_utterance(utterance, pause.t1, pause.decided)
        pause.answered, pause.label = True, made.label
        return replace(made, provisional=True)

    def _of_utterance(self, utterance: Utterance, t1: float, decided: float) -> EmotionEstimate:
        """Estimate of an utterance whose speech ended at ``t1``."""
        t = max(decided, self._now, self._last_t)
        margin_s = self._config.face_margin_s
        before, until = utterance.t0 - margin_s, min(t1 + margin_s, t)
        last = {m: newest(utterance.outcomes(m)) for m in SPOKEN}
        spans = {m: _span([item] if isinstance(item, Evidence) else []) for m, item in last.items()}
        spans["face"] = self._face(before, until)
        why = self._why_missing(spans, before, t, utterance)
        return self._estimate(t, (utterance.t0, t1), spans, why, utterance.number, True, whole=True)

    def _talking(self, current: Utterance | None, t: float) -> bool:
        """Whether somebody speaks, or has just spoken."""
        ago_s = self._config.face_tau_s
        return current is not None and (current.open or current.t1 > t - ago_s)

    def _why_missing(
        self, spans: Mapping[str, Span], after: float, t: float, final: Utterance | None = None
    ) -> dict[str, str]:
        """Reason of each modality without evidence in ``spans``."""
        missing = [m for m in MODALITIES if not len(spans[m].t)]
        return {m: self._reasons.why_missing(self._state, m, after, t, final) for m in missing}

    def _estimate(
        self,
        t: float,
        window: tuple[float, float],
        spans: Mapping[str, Span],
        why: dict[str, str],
        utterance: int | None,
        talking: bool,
        whole: bool = False,
    ) -> EmotionEstimate:
        """Pool the evidence; ``why`` has the reason of every modality that has none.

        ``talking``: the person of the face speaks.
        ``whole``: of an utterance as one whole, in which nothing fades.
        """
        self._last_t = t
        present = {m: spans[m] for m in MODALITIES if m not in why}
        modalities: dict[str, Contribution | None] = dict.fromkeys(MODALITIES)
        label, probs, confidence = None, None, None
        if present:
            now = None if whole else t
            tau_s = self._config.tau_s
            opinions = {
                m: replace(
                    summarise(s.t, s.quality, s.log_probs, now, tau_s[m], s.embedding),
                    punctuated=s.punctuated,
                    talking=float(talking and m == "face"),
                    baseline=s.baseline,
                )
                for m, s in present.items()
            }
            fused, shares = self._fused(opinions, t)
            for m, opinion in opinions.items():
                newest_t = float(present[m].t.max())
                modalities[m] = Contribution(
                    label=EMOTIONS[int(opinion.log_probs.argmax())],
                    weight=shares[m],
                    t=newest_t,
                    age_s=t - newest_t,
                    probs=np.exp(opinion.log_probs).astype(np.float32),
                )
            if fused is None:
                why = {**why, "label": "the fusion failed"}
            else:
                probs = np.exp(fused).astype(np.float32)
                confidence = float(probs.max())
                label = EMOTIONS[int(probs.argmax())]
            if confidence is not None and confidence < self._config.min_confidence:
                label, probs, confidence = None, None, None
                why = {**why, "label": "too unsure"}
        else:
            why = {**why, "label": why_no_label(why)}
        return EmotionEstimate(
            t=t,
            window=window,
            label=label,
            probs=probs,
            confidence=confidence,
            modalities=modalities,
            why=why,
            final=False,
            utterance=utterance,
        )

    def _fused(
        self, opinions: Mapping[str, Opinion], t: float
    ) -> tuple[NDArray[np.float64] | None, Mapping[str, float]]:
        """The pool's answer; None and equal shares where it fails, with a notice at first."""
        try:
            fused, shares = self._pool.fuse(opinions)
            if not (np.isfinite(np.exp(fused)).all() and np.isfinite(list(shares.values())).all()):
                raise ValueError("it gave no numbers")
        except Exception as error:
            if self._strict:
                raise
            if not self._failing:
                text = f"the fusion failed ({error}); the modalities are reported without a label"
                self._notices.append(Notice(t, "error", "fusion", text))
            self._failing = True
            return None, dict.fromkeys(opinions, 1.0 / len(opinions))
        self._failing = False
        return fused, shares

    def _face(self, after: float, until: float) -> Span:
        span = self._state.face.between(after, until)
        if self._clips:
            span = Span(span.t[-1:], span.quality[-1:], span.log_probs[-1:], span.embedding)
        return span._replace(baseline=self._state.face_baseline)


def _check(evidence: Evidence) -> None:
    shape = np.shape(evidence.log_probs)
    if shape != (len(EMOTIONS),) or bool(np.isnan(evidence.log_probs).any()):
        raise ValueError(
            f"evidence of {evidence.modality} must be ({len(EMOTIONS)},) log-probabilities "
            f"without NaN, got shape {shape}: {evidence.log_probs}"
        )


def _span(evidence: Iterable[Evidence]) -> Span:
    """Utterance-wise evidence in the face's form, in order of time."""
    items = sorted(evidence, key=lambda item: item.t1)
    log_probs = normalise(np.stack([item.log_probs for item in items])) if items else np.empty(0)
    return Span(
        np.array([item.t1 for item in items]),
        np.array([item.quality for item in items], dtype=np.float64),
        log_probs,
        items[-1].embedding if items else None,
        float(items[-1].punctuated) if items else 0.0,
        items[-1].baseline if items else 0.0,
    )
