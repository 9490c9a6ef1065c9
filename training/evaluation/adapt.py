"""Evaluation with the person's baseline: causal, a person's items in a seeded random order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from mmer.models.face_baseline import FaceBaseline
from mmer.realtime.blocks.baseline import Offset, Relative, begun
from mmer.training.datasets.item import Item
from mmer.training.evaluation.answers import Answer, Answerer

WEIGHT: Final = {"speech": 1.0, "face": 3.0}
"""Of an item: one utterance of speech; an image or a video counts as three seconds of a face."""


def in_random_order(items: Sequence[Item], seed: int) -> list[Item]:
    """The items person by person, each person's in a random order that the seed names."""
    order = np.random.default_rng(seed).permutation(len(items))
    return sorted((items[k] for k in order), key=person_of)


def person_of(item: Item) -> str:
    """The speaker; an item of an unknown one is a person of its own."""
    return item.speaker_group or item.id


class Adapting:
    """An answerer of voice or face whose answers are corrected by the baseline of each person.

    Args:
        answerer: of single items.
        modality: "speech" or "face".
        learned: the face network's own correction; left out, an ``Offset``.
    """

    def __init__(
        self, answerer: Answerer, modality: str, learned: FaceBaseline | None = None
    ) -> None:
        self._learned = learned
        self._answerer = answerer
        self.notices = answerer.notices
        self._modality = modality
        self._people: dict[str, Offset | Relative] = {}

    def answer(self, item: Item) -> Answer:
        found = self._answerer.answer(item)
        if not found.usable:
            return found
        weight = WEIGHT[self._modality]
        person = self._people.setdefault(person_of(item), begun(self._modality, self._learned))
        corrected = person.corrected(found.log_probs, weight)
        person.add(found.log_probs, weight)
        return replace(found, log_probs=corrected)

    def about(self) -> dict[str, Any]:
        return {**self._answerer.about(), "people": len(self._people)}
