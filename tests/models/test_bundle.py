"""What a folder of weights has, and what it has not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from run_folders import write_run

from mmer.models.bundle import Bundle
from mmer.models.cards.card import weights_dir
from mmer.models.errors import MmerError


def test_shipped_models_stand_in_for_single_ones_of_their_kind(tmp_path: Path) -> None:
    for path in weights_dir().glob("speech.*"):
        shutil.copy(path, tmp_path)
    folder = Bundle(tmp_path)
    assert not folder.is_run
    assert folder.why_not("face") == ""
    assert (folder.place("speech"), folder.place("face")) == (tmp_path, None)
    assert folder.needs_faces


def test_what_a_run_has_not_is_not_there(tmp_path: Path) -> None:
    folder = Bundle(write_run(tmp_path, ("speech", "text"), "logits"))
    assert folder.is_run
    assert (folder.modalities, folder.fused) == (("speech", "text"), ("speech", "text"))
    assert folder.why_not("text") == ""
    assert folder.why_not("face") == f"no face model in {tmp_path}"


def test_what_the_fusion_does_not_know_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, ("face",), sees="frames")
    folder = Bundle(write_run(tmp_path, ("speech", "text"), "logits"))
    assert folder.why_not("face") == f"face is not in the fusion of {tmp_path}"
    assert not folder.needs_faces


def test_a_fusion_without_its_models_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "text"), "logits")
    (run / "text.json").unlink()
    with pytest.raises(MmerError, match=r"fuses speech, text, but text\.json is not there"):
        Bundle(run)


def test_no_folder_and_no_card_are_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="holds no model card"):
        Bundle(tmp_path)
    with pytest.raises(MmerError, match="is not a folder"):
        Bundle(tmp_path / "nowhere")
