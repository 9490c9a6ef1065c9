from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.training.datasets.corpora import CORPORA, data_dir, training_data
from mmer.training.datasets.registry import NAMES
from mmer.training.recipe import load_recipe


def test_every_corpus_of_the_recipes_has_its_licence_and_a_reader() -> None:
    for name in ("speech", "text"):
        for corpus in load_recipe(name).options["shares"]:
            licence, source = CORPORA[corpus]
            assert licence
            assert source
            assert corpus in NAMES
    assert training_data("emodb", "all", 3).items == 3


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
