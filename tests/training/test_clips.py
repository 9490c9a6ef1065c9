import os
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.training.datasets.clips import (
    Clip,
    development_clips,
    read_clips,
    training_clips,
)
from mmer.training.datasets.corpora import CORPORA, data_dir, training_data
from mmer.training.recipe import load_recipe


def test_clips_of_the_named_corpora_are_read(corpora: Path) -> None:
    clips = read_clips(corpora, ["emodb"])
    assert {c.corpus for c in clips} == {"emodb"}
    assert sorted(c.label for c in clips) == [0, 1, 2, 3]
    assert len(read_clips(corpora, ["emodb", "ravdess"])) == 4 + 4 * 7
    assert [(c.label, c.speaker) for c in read_clips(corpora, ["esc10"])] == [(-1, "")]


def test_no_speaker_is_on_both_sides_and_the_held_out_actor_on_none(corpora: Path) -> None:
    clips = read_clips(corpora, ["emodb", "ravdess", "esc10"])
    train = {(c.corpus, c.speaker) for c in training_clips(clips)}
    held = {(c.corpus, c.speaker) for c in development_clips(clips)}
    assert train == {("emodb", "03"), ("ravdess", "02")}
    assert held == {("ravdess", "17"), ("ravdess", "20")}
    assert all(c.label >= 0 for c in [*training_clips(clips), *development_clips(clips)])


def test_speakers_kept_for_a_test_never_train() -> None:
    clips = [Clip(Path(), "ravdess", f"{n:02d}", 0) for n in range(1, 25)]
    assert {c.speaker for c in training_clips(clips)} == {f"{n:02d}" for n in range(2, 17)}
    assert {c.speaker for c in development_clips(clips)} == {"17", "18", "19", "20"}


def test_a_missing_corpus_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"audio/emodb does not exist: give the folder of emodb"):
        read_clips(tmp_path, ["emodb"])
    with pytest.raises(MmerError, match=r"audio/esc10 does not exist: give the folder of esc10"):
        read_clips(tmp_path, ["esc10"])
    with pytest.raises(MmerError, match="no dataset 'mine'"):
        read_clips(tmp_path, ["mine"])


def test_every_corpus_of_the_recipes_has_its_licence() -> None:
    for name in ("speech", "text"):
        for corpus in load_recipe(name).options["shares"]:
            licence, source = CORPORA[corpus]
            assert licence
            assert source
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


@pytest.mark.data
def test_the_real_split_holds() -> None:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    clips = read_clips(Path(os.environ["MMER_DATA"]), list(load_recipe("speech").options["shares"]))
    train, held = training_clips(clips), development_clips(clips)
    barred = {"Actor_01", *(f"Actor_{n}" for n in (17, 18, 19, 20))}
    assert not barred & {c.path.parent.name for c in train}
    assert {c.path.parent.name for c in held} == barred - {"Actor_01"}
    assert len(train) > 7000
    assert len(held) > 200
