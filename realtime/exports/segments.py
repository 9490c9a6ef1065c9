"""Segments of a run: stretches with one label, without overlaps, as annotation tools have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mmer.models.labels import MODALITIES
from mmer.realtime.exports.run import Estimate, Run
from mmer.realtime.sinks.text import one_line

TRANSCRIPT: Final = "transcript"
UTTERANCE: Final = "utterance emotion"
RUNNING: Final = "emotion"
TIERS: Final = (TRANSCRIPT, UTTERANCE, RUNNING, *MODALITIES)
"""Names of the tiers: words, each utterance's final label, and the running labels."""


@dataclass(frozen=True)
class Segment:
    """Annotation from ``start_ms`` to ``end_ms``, at least 1 ms long."""

    start_ms: int
    end_ms: int
    text: str


def segments(run: Run) -> dict[str, list[Segment]]:
    """Segments of each of TIERS, in order; of one tier none overlap.

    A running label lasts from its estimate's time of decision to the next estimate's ; two hops
    at most, where estimates are missing, and not beyond the media's end. Equal ones that follow
    each other are one segment.
    """
    tiers = {name: _Tier() for name in TIERS}
    hold_s = 2 * run.hop_s
    before: Estimate | None = None
    for estimate in run.estimates():
        if not estimate.running:
            continue
        if before is not None:
            _add(tiers, before, min(estimate.t, before.t + hold_s, run.duration_s))
        before = estimate
    if before is not None:
        _add(tiers, before, min(before.t + run.hop_s, run.duration_s))
    for utterance in run.utterances():
        start, end = _ms(utterance.t0), _ms(utterance.t1)
        tiers[TRANSCRIPT].add(start, end, one_line(utterance.text))
        tiers[UTTERANCE].add(start, end, utterance.label or "")
    return {name: tier.made for name, tier in tiers.items()}


def _add(tiers: dict[str, _Tier], estimate: Estimate, end: float) -> None:
    if estimate.t >= end:
        return
    start_ms, end_ms = _ms(estimate.t), _ms(end)
    tiers[RUNNING].add(start_ms, end_ms, estimate.label or "", join=True)
    for name in MODALITIES:
        share = estimate.modalities[name]
        tiers[name].add(start_ms, end_ms, "" if share is None else share.label, join=True)


class _Tier:
    def __init__(self) -> None:
        self.made: list[Segment] = []

    def add(self, start_ms: int, end_ms: int, text: str, join: bool = False) -> None:
        """Append a segment, moved behind the last one; ``join`` prolongs an equal neighbour."""
        if not text:
            return
        last = self.made[-1] if self.made else Segment(0, 0, "")
        start_ms = max(start_ms, last.end_ms)
        end_ms = max(end_ms, start_ms + 1)
        if join and (last.text, last.end_ms) == (text, start_ms):
            self.made[-1] = Segment(last.start_ms, end_ms, text)
        else:
            self.made.append(Segment(start_ms, end_ms, text))


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 0)
