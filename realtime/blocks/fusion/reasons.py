"""Reasons: why a modality, or the label, is missing from an estimate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mmer.realtime.blocks.fusion.state import FusionState, Utterance, newest
from mmer.realtime.messages import Missing


@dataclass(frozen=True)
class Reasons:
    """Constants of a session: modalities switched on, expected in a final, and absent."""

    modalities: Collection[str]
    expects: Collection[str]  # of "speech" and "text"
    absent: Mapping[str, str]  # modality: reason

    def why_missing(
        self, state: FusionState, modality: str, after: float, t: float, final: Utterance | None
    ) -> str:
        """Reason why ``modality`` has no evidence in (after, t], or in the utterance of a final.

        In this order: what the encoder reported of the utterance, "late", "off", the reason of an
        absent modality, the cause of a gap, "silence", what the encoder reported last, "waiting".
        """
        if final is not None:
            outcome = newest(final.outcomes(modality))
            if isinstance(outcome, Missing):
                return outcome.why
            if modality in self.expects:
                return "late"
        if modality not in self.modalities:
            return "off"
        if modality in self.absent:
            return self.absent[modality]
        if modality == "face":
            return _why_no_face(state, after, t)
        return _why_not_spoken(state, modality, after, t, modality in self.expects)


def why_no_label(missing: Mapping[str, str]) -> str:
    """Reason why there is no label, from those of all modalities."""
    return "; ".join(dict.fromkeys(why for why in missing.values() if why != "off")) or "off"


def _why_no_face(state: FusionState, after: float, t: float) -> str:
    gap = state.gap("video", after, t)
    outcome = newest(state.no_face, t)
    recent = outcome is not None and outcome.t1 > after and (gap is None or outcome.t1 >= gap.t1)
    if isinstance(outcome, Missing) and recent:
        return outcome.why
    return "waiting" if gap is None else gap.cause


def _why_not_spoken(
    state: FusionState, modality: str, after: float, t: float, expected: bool
) -> str:
    gap = state.gap("audio", after, t)
    if gap is None and not expected:
        return "off"
    utterance = state.current(after, t)
    if gap is not None and (gap.t1 >= t or utterance is None):
        return gap.cause
    if utterance is None:
        return "silence"
    outcome = newest(utterance.outcomes(modality), t)
    if isinstance(outcome, Missing):
        return outcome.why
    return "late" if utterance.answered else "waiting"
