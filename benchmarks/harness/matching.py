"""Matching of the recognizer's utterances with the annotated sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from mmer.benchmarks.harness.clip import Span

OVERLAP_S: Final = 0.05  # less in common is no overlap

Outcome: TypeAlias = Literal["matched", "missed", "split", "merged", "cut"]
"""Outcome of a spoken sentence.

- matched: one result overlaps it, and nothing else that is spoken.
- missed: no result overlaps it.
- split: several results overlap it.
- merged: its result overlaps another sentence as well.
- cut: its result came before the sentence was over.
"""


@dataclass(frozen=True)
class Result:
    """A final result: the span of sound that it is about, and when it was written; seconds.

    ``utterance`` is the recognizer's own number of it.
    """

    t0: float
    t1: float
    written: float
    utterance: int | None = None


@dataclass(frozen=True)
class Match:
    """One spoken sentence and its result, where there is exactly one."""

    span: Span
    outcome: Outcome
    result: Result | None = None

    @property
    def delay_s(self) -> float:
        """Delay from the annotated end of the speech to its result; of matched ones alone."""
        if self.result is None:
            raise ValueError(f"{self.span.name!r} is {self.outcome}: it has no delay")
        return self.result.written - self.span.t1


@dataclass(frozen=True)
class Matching:
    """Every spoken sentence, in order, and the results that are about none."""

    matches: tuple[Match, ...]
    unmatched: tuple[Result, ...]

    @property
    def delays_s(self) -> list[float]:
        """Delays of the matched sentences."""
        return [m.delay_s for m in self.matches if m.result]

    @property
    def misses(self) -> int:
        """Sentences that are not matched, for whatever reason."""
        return sum(m.result is None for m in self.matches)

    def counts(self) -> dict[str, int]:
        """Sentences by outcome, and results about nothing spoken."""
        counted = {o: sum(m.outcome == o for m in self.matches) for o in get_args(Outcome)}
        return counted | {"unmatched": len(self.unmatched)}

    def faults(self) -> list[str]:
        """The same without the matched ones, in words."""
        return [f"{n} {name}" for name, n in self.counts().items() if n and name != "matched"]


def match(spans: Sequence[Span], results: Sequence[Result]) -> Matching:
    """Pair sentences with results by overlap in time."""
    touching = [[i for i, s in enumerate(spans) if _overlap_s(s, r) >= OVERLAP_S] for r in results]
    matches = []
    for i, span in enumerate(spans):
        mine = [k for k, touched in enumerate(touching) if i in touched]
        if not mine:
            matches.append(Match(span, "missed"))
        elif len(mine) > 1:
            matches.append(Match(span, "split"))
        elif len(touching[mine[0]]) > 1:
            matches.append(Match(span, "merged"))
        elif results[mine[0]].written < span.t1:
            matches.append(Match(span, "cut"))
        else:
            matches.append(Match(span, "matched", results[mine[0]]))
    unmatched = tuple(r for r, touched in zip(results, touching, strict=True) if not touched)
    return Matching(tuple(matches), unmatched)


def _overlap_s(span: Span, result: Result) -> float:
    return min(span.t1, result.t1) - max(span.t0, result.t0)
