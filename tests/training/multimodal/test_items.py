"""Items of a run: what no split may divide, twins, the same items in every row of an ablation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="folds need scikit-learn: pip install 'mmer-live[eval]'")

from mmer.models.errors import MmerError
from mmer.training.commands.ablate import ablate, variants
from mmer.training.datasets.item import Item
from mmer.training.multimodal.items import group_of, modality_to_read, read_parts
from mmer.training.multimodal.options import read_options
from mmer.training.recipes.recipe import Recipe


def recipe(modalities: str, **options: Any) -> Recipe:
    kinds = {"text": "bert", "speech": "mfcc-cnn", "face": "face-cnn"}
    encoders = {m: {"kind": kinds[m]} for m in modalities.split()}
    table = {"corpus": "manifest", "encoders": encoders, **options}
    return Recipe("items", "multimodal", 1, 4, 1e-3, options=table)


def own_list(folder: Path, head: str, rows: list[str]) -> Path:
    place = folder / "manifest"
    place.mkdir()
    (place / "manifest.csv").write_text("\n".join([head, *rows, ""]))
    for name in ("one.wav", "two.wav", "three.wav", "four.wav"):
        (place / name).write_bytes(b"RIFF")
    return folder


def test_parts_of_one_recording_are_one_group() -> None:
    def part(path: str, start: float | None, **known: str) -> Item:
        key = f"{path} {start}"
        return Item("manifest", key, 0, path=Path(path), start_s=start, **known)

    assert group_of(part("a.wav", 0.0)) == group_of(part("a.wav", 2.0))
    assert group_of(part("a.wav", 0.0)) != group_of(part("b.wav", 0.0))
    assert group_of(part("a.wav", 0.0, speaker="bob")) == "manifest/bob"
    assert group_of(part("a.wav", None)) == "manifest/a.wav None"


def test_no_fold_divides_a_recording(tmp_path: Path) -> None:
    rows = [
        f"{name}.wav,{label},{k},{k + 1}"
        for name in ("one", "two", "three", "four")
        for k, label in enumerate(("joy", "anger", "joy", "anger"))
    ]
    data = own_list(tmp_path, "path,label,start,end", rows)
    options = read_options(recipe("speech", train=["all"], folds=3))
    parts = read_parts(options, data, 0)
    sides = [{i.path for i in side} for side in (parts.train, parts.development, parts.evaluated)]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 4


def test_own_splits_must_not_divide_a_recording(tmp_path: Path) -> None:
    rows = ["one.wav,joy,0,1,train", "one.wav,anger,1,2,dev"]
    data = own_list(tmp_path, "path,label,start,end,split", rows)
    with pytest.raises(MmerError, match="1 speakers, dialogues or files would be in training"):
        read_parts(read_options(recipe("speech", development="dev")), data, 0)


def test_items_without_words_are_no_twins(tmp_path: Path) -> None:
    rows = ["one.wav,joy,,train", "two.wav,joy,Hello there,train", "three.wav,joy,,dev"]
    rows.append("four.wav,joy,hello there!,dev")
    data = own_list(tmp_path, "path,label,text,split", rows)
    options = read_options(recipe("speech", development="dev", drop_twins=True))
    parts = read_parts(options, data, 0)
    assert [item.path.name for item in parts.train if item.path] == ["one.wav"]
    assert parts.dropped["the evaluated data has the same text"] == 1


def test_all_rows_of_an_ablation_read_the_same_items() -> None:
    made = variants(recipe("text speech face"), ["concat"])
    assert len(made) == 7
    assert {modality_to_read(read_options(one)) for one in made.values()} == {"clip"}
    with pytest.raises(MmerError, match="read_as is 'smell', use speech, text, face, clip"):
        read_options(recipe("text", read_as="smell"))


def test_an_ablation_in_folds_needs_a_recipe_with_folds(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    with pytest.raises(MmerError, match="recipe items has no folds"):
        ablate(recipe("text speech"), tmp_path, tmp_path / "out", None, [], folds=True)
    assert not (tmp_path / "out").exists()
