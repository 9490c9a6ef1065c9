"""One entry a corpus, and all its facts in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.corpora import CORPORA, training_data
from mmer.training.datasets.data_folder import data_dir
from mmer.training.datasets.registry import corpus_names
from mmer.training.recipes.recipe import load_recipe, recipe_names


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_all_its_facts(name: str) -> None:
    corpus = CORPORA[name]
    data = training_data(name, "train", 3)
    assert (data.corpus, data.split, data.items) == (name, "train", 3)
    assert data.licence == corpus.licence != ""
    assert data.source == corpus.summary != ""
    assert (name in corpus_names()) == bool(corpus.place) == bool(corpus.modalities)
    assert bool(corpus.place) == bool(corpus.labels)
    mapped = {index for index in corpus.labels.values() if index is not None}
    assert mapped <= set(range(len(EMOTIONS)))
    assert bool(mapped) == bool(corpus.place)
    assert corpus.default in (*(corpus.splits or ()), "all")


def test_noise_is_for_cards_alone() -> None:
    assert set(CORPORA) - set(corpus_names()) == {"esc10"}


def test_what_a_users_own_data_allow_is_not_known() -> None:
    for name in ("manifest", "images"):
        assert training_data(name, "all", 1).licence.startswith("not known: the user's own")


def test_an_unknown_corpus_is_one_line() -> None:
    with pytest.raises(MmerError, match=r"^no corpus 'x'; known are ravdess, emodb, .*, esc10$"):
        training_data("x", "all", 1)


def named_in(options: dict[str, Any]) -> Iterator[str]:
    yield from options.get("shares", {})
    yield from (options[key] for key in ("corpus", "noise") if key in options)


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_corpus_of_the_recipes_is_known(recipe: str) -> None:
    assert set(named_in(dict(load_recipe(recipe).options))) <= set(CORPORA)


def test_the_shipped_cards_say_what_the_table_says() -> None:
    found = 0
    for path in sorted(weights_dir().glob("*.json")):
        for data in json.loads(path.read_text(encoding="utf-8")).get("training", []):
            if data["corpus"] in CORPORA:
                corpus = CORPORA[data["corpus"]]
                found += 1
                assert (data["licence"], data["source"]) == (corpus.licence, corpus.summary), path
            else:
                assert data["corpus"] == "scenery"  # what is no face
    assert found > 8


def test_the_data_folder_is_the_given_one_else_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMER_DATA", raising=False)
    with pytest.raises(MmerError, match="give --data DIR or set MMER_DATA"):
        data_dir(None)
    monkeypatch.setenv("MMER_DATA", str(tmp_path))
    assert data_dir(None) == tmp_path
    with pytest.raises(MmerError, match="does not exist"):
        data_dir(tmp_path / "no")
