"""A throw-away task and a throw-away corpus: each added by one entry, and used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")

from tiny_task import TinyTask, tiny_recipe

from mmer.models.errors import MmerError
from mmer.models.registry import Entry
from mmer.training.datasets.corpora import CORPORA, Corpus, training_data
from mmer.training.datasets.item import Item, Reading
from mmer.training.datasets.registry import corpus_names, read, splits_of
from mmer.training.loop.trainer import Trainer
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.registry import TASKS, open_task


class ThrowAwayTask(TinyTask):
    def __init__(
        self, recipe: Recipe, data: Path, cache: Path | None, weights: Path | None = None
    ) -> None:
        super().__init__(items=int(recipe.options["items"]))
        self.data = data


def read_throw_away(root: Path, modality: str, split: str) -> Reading:
    lines = (root / f"{split}.txt").read_text().splitlines()
    return Reading([Item("throw-away", str(k), 3, split, text=t) for k, t in enumerate(lines)])


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test adds is gone after it."""
    for registry in (TASKS, CORPORA):
        monkeypatch.setattr(registry, "_entries", dict(registry.items()))


@pytest.mark.usefixtures("registries")
def test_a_task_of_ones_own_is_trained(tmp_path: Path) -> None:
    TASKS.add("throw-away", Entry(f"{__name__}:ThrowAwayTask", "for this test"))
    recipe = replace(tiny_recipe(epochs=1, options={"items": 40}), task="throw-away")
    made = open_task(recipe, tmp_path, None)
    assert isinstance(made, ThrowAwayTask)
    reports = list(Trainer(recipe, made, tmp_path).run())
    assert [report.figures.n for report in reports] == [40]
    with pytest.raises(MmerError, match="there is already a task 'throw-away'"):
        TASKS.add("throw-away", Entry("x:y", ""))


@pytest.mark.usefixtures("registries")
def test_a_corpus_of_ones_own_is_read(tmp_path: Path) -> None:
    entry = Corpus(
        f"{__name__}:read_throw_away",
        "Nobody 2026",
        licence="CC0-1.0",
        modalities=("text",),
        splits=("train", "dev"),
        labels={"joy": 3},
    )
    CORPORA.add("throw-away", entry)
    (tmp_path / "train.txt").write_text("hooray\nyes\n")
    assert "throw-away" in corpus_names()
    assert splits_of("throw-away") == ("train", "dev", "all")
    items = read("throw-away", tmp_path, "text", "train").items
    assert [item.text for item in items] == ["hooray", "yes"]
    assert training_data("throw-away", "train", 2).source == "Nobody 2026"
    with pytest.raises(MmerError, match="throw-away is not read for speech; it is for text"):
        read("throw-away", tmp_path, "speech")
