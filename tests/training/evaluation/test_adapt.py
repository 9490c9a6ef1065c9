"""Evaluation with the person's baseline: causal, person by person, repeatable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.prediction import log_softmax
from mmer.training.datasets.item import Item
from mmer.training.evaluation.adapt import Adapting, in_random_order
from mmer.training.evaluation.answers import Answer
from mmer.training.evaluation.settings import Settings

SHIFT = {"a": np.array([-1.0, 0, 0, 0, 2.5, 0, -1.0]), "b": np.array([2.5, 0, -1.0, 0, -1.0, 0, 0])}


def items(count: int = 70) -> list[Item]:
    people = [Item("made", f"{who}{k}", k % 7, speaker=who) for who in "ab" for k in range(count)]
    return [*people, Item("made", "nobody", 0)]


class Shifted:
    """Answers that are right but for the person's shift; silent for an unknown one."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def answer(self, item: Item) -> Answer:
        if not item.speaker:
            return Answer(np.full(7, -np.log(7)), usable=False)
        noise = np.random.default_rng(len(item.key)).normal(0, 0.2, 7)
        return Answer(log_softmax(2.2 * np.eye(7)[item.label] + noise + SHIFT[item.speaker]))

    def about(self) -> dict[str, Any]:
        return {"damaged": 0}


def test_an_order_is_random_person_by_person_and_the_same_again() -> None:
    first, again, other = (in_random_order(items(), seed) for seed in (0, 0, 1))
    assert [i.id for i in first] == [i.id for i in again] != [i.id for i in other]
    assert sorted(i.id for i in first) == sorted(i.id for i in items())
    assert [i.speaker for i in first if i.speaker] == ["a"] * 70 + ["b"] * 70
    assert [i.label for i in first if i.speaker == "a"] != [k % 7 for k in range(70)]


def test_each_person_has_a_baseline_and_is_understood_better() -> None:
    ordered = [i for i in in_random_order(items(), 0) if i.speaker]
    plain, adapting = Shifted(), Adapting(Shifted(), "speech")
    alone = np.mean([plain.answer(i).log_probs.argmax() == i.label for i in ordered])
    adapted = np.mean([adapting.answer(i).log_probs.argmax() == i.label for i in ordered])
    assert adapted > alone + 0.15
    assert adapting.about() == {"damaged": 0, "people": 2}


def test_an_answer_depends_on_the_items_before_it_alone() -> None:
    ordered = [i for i in in_random_order(items(), 0) if i.speaker == "a"]
    whole, part = Adapting(Shifted(), "face"), Adapting(Shifted(), "face")
    first = [whole.answer(i).log_probs for i in ordered][:20]
    np.testing.assert_array_equal(first, [part.answer(i).log_probs for i in ordered[:20]])


def test_what_has_no_evidence_is_not_learned_from() -> None:
    adapting = Adapting(Shifted(), "speech")
    found = adapting.answer(Item("made", "nobody", 0))
    assert not found.usable
    assert adapting.about()["people"] == 0


def test_texts_have_no_baseline() -> None:
    Settings(adapt=True).check("clip")
    with pytest.raises(MmerError, match="--adapt"):
        Settings(adapt=True).check("text")
