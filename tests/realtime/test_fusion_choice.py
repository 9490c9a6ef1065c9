"""Which fusion goes with which encoders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from run_folders import write_run

import mmer
from mmer.models.cards.card import load_card, weights_dir
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel
from mmer.models.store.store import Store
from mmer.realtime.assemble import Assembly, assemble
from mmer.realtime.blocks.fusion.pooling import OnlyPool, ProductPool
from mmer.realtime.options import Options


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", [], offline=True, report=lambda line: None)


def build(
    store: Store,
    weights: Path | None = None,
    abstain: bool = True,
    modalities: tuple[str, ...] = ("speech", "face"),
) -> Assembly:
    options = Options(source="clip.mp4", modalities=modalities, weights=weights)
    return assemble(options, frozenset({"audio", "video"}), store, abstain=abstain)


def copy(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        for path in weights_dir().glob(f"{name}.*"):
            shutil.copy(path, folder)
    return folder


def test_the_shipped_encoders_have_the_shipped_fusion(store: Store) -> None:
    made = build(store)
    block = made.pipeline.fusion.block
    card = load_card(weights_dir() / "fusion.json")
    assert isinstance(block._pool, FusionModel)
    assert made.models["fusion"] == "fusion.onnx"
    assert made.notices == []
    assert block._config.min_confidence == card.abstain_below


def test_encoders_of_ones_own_are_multiplied_and_it_is_said(store: Store, tmp_path: Path) -> None:
    made = build(store, copy(tmp_path / "own", "speech"))
    assert isinstance(made.pipeline.fusion.block._pool, ProductPool)
    assert made.models["fusion"] is None
    (notice,) = made.notices
    assert (notice.level, notice.about) == ("info", "fusion")
    assert "mmer-train fusion --weights" in notice.text


@pytest.mark.parametrize("modality", ["speech", "text", "face"])
@pytest.mark.parametrize("own", [False, True])
def test_one_modality_has_its_own_answer(
    store: Store, tmp_path: Path, modality: str, own: bool
) -> None:
    """The fusion trusts words so little that of words alone it never answered."""
    names = (modality, "text-tokenizer") if modality == "text" else (modality,)
    made = build(store, copy(tmp_path / "own", *names) if own else None, modalities=(modality,))
    block = made.pipeline.fusion.block
    card = load_card(weights_dir() / f"{modality}.json")
    assert isinstance(block._pool, OnlyPool)
    assert block._config.min_confidence == card.abstain_below
    assert made.models["fusion"] is None
    assert made.notices == []


@pytest.mark.slow
def test_words_alone_have_labels(short_clip: Path) -> None:
    options = {"modalities": ("text",), "asr": "moonshine", "pace": "max", "offline": True}
    with mmer.Recognizer(short_clip, **options) as recognizer:
        finals = [e for e in recognizer if e.final]
    assert len(finals) >= 2
    assert all(e.label is not None for e in finals)


def test_a_fusion_of_ones_own_is_used(store: Store, tmp_path: Path) -> None:
    made = build(store, copy(tmp_path / "own", "speech", "fusion"))
    assert isinstance(made.pipeline.fusion.block._pool, FusionModel)
    assert made.notices == []
    made = build(store, copy(tmp_path / "fusion alone", "fusion"))
    assert isinstance(made.pipeline.fusion.block._pool, FusionModel)


def test_where_every_answer_is_asked_for_none_is_withheld(store: Store) -> None:
    assert build(store, abstain=False).pipeline.fusion.block._config.min_confidence == 0.0


def test_a_damaged_fusion_is_told(store: Store, tmp_path: Path) -> None:
    folder = copy(tmp_path / "own", "speech", "fusion")
    (folder / "fusion.onnx").write_bytes(b"")
    with pytest.raises(MmerError, match=r"fusion\.onnx is damaged"):
        build(store, folder)


def test_a_run_has_its_own_fusion_which_waits_for_slow_networks(
    store: Store, tmp_path: Path
) -> None:
    run = write_run(tmp_path, ("speech", "text"), "logits")
    block = build(store, run, modalities=("speech",)).pipeline.fusion.block
    assert isinstance(block._pool, FusionModel)
    assert block._pool.uses == "logits"
    assert block._config.final_wait_s > build(store).pipeline.fusion.block._config.final_wait_s


def test_a_run_of_one_modality_needs_none_and_withholds_what_its_card_says(
    store: Store, tmp_path: Path
) -> None:
    run = write_run(tmp_path, ("speech",))
    table = json.loads((run / "speech.json").read_text())
    (run / "speech.json").write_text(json.dumps(table | {"abstain_below": 0.4}))
    made = build(store, run, modalities=("speech",))
    assert isinstance(made.pipeline.fusion.block._pool, OnlyPool)
    assert made.pipeline.fusion.block._config.min_confidence == 0.4
    assert made.models == {"speech": "speech.onnx", "fusion": None}
    assert made.notices == []


def test_words_that_are_switched_off_are_not_for_want_of_a_microphone(store: Store) -> None:
    options = Options(modalities=("text", "face"), asr="none")  # opens no microphone
    made = assemble(options, frozenset({"video"}), store)
    assert made.pipeline.fusion.block._reasons.absent == {"text": "off"}
