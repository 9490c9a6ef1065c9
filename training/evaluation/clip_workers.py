"""Evaluation of clips by several recognizers at once, in processes or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from mmer.models.errors import MmerError
from mmer.realtime.batch.workers import over_workers
from mmer.training.datasets.item import Item
from mmer.training.evaluation.adapt import person_of
from mmer.training.evaluation.answers import Answer, answers_of
from mmer.training.evaluation.clip import ClipAnswerer
from mmer.training.evaluation.settings import Settings


@dataclass(frozen=True)
class _Answered:
    """What a worker found in a group of clips; its answerer's counts are of these alone."""

    answers: Sequence[Answer | MmerError]
    notices: Sequence[str]
    about: Mapping[str, Any]


class ClipWorkers:
    """Many ``ClipAnswerer``s: the same answers in the same order, whatever their number.

    With ``settings.adapt`` all clips of a person go to one worker.
    """

    def __init__(
        self, weights: Path | None, settings: Settings, workers: int, address: str | None
    ) -> None:
        self._make = partial(_answering, weights, settings)
        self._by_person = settings.adapt
        self._workers, self._address = workers, address
        self.notices: list[str] = []
        self._about: dict[str, Any] = {}

    def answers(self, items: Sequence[Item]) -> Iterator[Answer | MmerError]:
        """An answer an item, or what was wrong with it."""
        groups = (
            [list(of_one) for _, of_one in groupby(items, person_of)]
            if self._by_person
            else [[item] for item in items]
        )
        damaged = 0
        for found in over_workers(self._make, groups, self._workers, self._address):
            damaged += found.about["damaged"]
            self._about = {**found.about, "damaged": damaged}
            self.notices = list(found.notices)
            yield from found.answers

    def about(self) -> dict[str, Any]:
        return self._about


def _answering(weights: Path | None, settings: Settings) -> Callable[[Sequence[Item]], _Answered]:
    answerer = ClipAnswerer(weights, settings)

    def answered(items: Sequence[Item]) -> _Answered:
        before = answerer.about()["damaged"]
        answers = list(answers_of(answerer, items))
        about = answerer.about()
        return _Answered(answers, answerer.notices, {**about, "damaged": about["damaged"] - before})

    return answered
