"""Recipes of the field's models on a generated corpus: train, resume, ablate, export, keep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")

from generated_corpora import write_meld, write_ravdess  # noqa: E402 (after the skip)
from tiny_transformers import write_tiny  # noqa: E402

from mmer.models.errors import MmerError  # noqa: E402
from mmer.models.networks.multimodal import Branch, MultimodalNetwork  # noqa: E402
from mmer.training.commands.ablate import ablate, variants  # noqa: E402
from mmer.training.commands.features import precompute  # noqa: E402
from mmer.training.commands.train import train_folds  # noqa: E402
from mmer.training.datasets.likeness import image_key  # noqa: E402
from mmer.training.loop.trainer import Trainer, tensors  # noqa: E402
from mmer.training.metrics.predictions import Predictions  # noqa: E402
from mmer.training.multimodal.run import open_run, predict, summary, write_results  # noqa: E402
from mmer.training.multimodal.task import MultimodalTask  # noqa: E402
from mmer.training.recipes.recipe import Recipe  # noqa: E402
from mmer.training.storage import CHECKPOINT  # noqa: E402

THREE = ("joy", "sadness", "anger")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MELD with words that say everything, a voice that says little, a face that says nothing."""
    root = tmp_path_factory.mktemp("data")
    write_meld(root / "meld", 1, 12, {"text": 1.0, "speech": 0.5}, emotions=THREE)
    write_ravdess(root / "ravdess", range(2, 5), 1, {"speech": 1.0})
    return root


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {k: str(write_tiny(k, folder / k)) for k in ("roberta", "wav2vec2", "vit")}


def recipe(models: dict[str, str], modalities: str = "text speech", **changes: Any) -> Recipe:
    encoders: dict[str, Any] = {
        "text": {"kind": "roberta", "options": {"model": models["roberta"]}},
        "speech": {"kind": "mfcc-cnn", "head": "softmax"},
        "face": {"kind": "vit", "options": {"model": models["vit"], "count": 2}},
    }
    options = {
        "corpus": "meld",
        "encoders": {m: encoders[m] for m in modalities.split()},
        "width": 16,
        **changes.pop("options", {}),
    }
    plain: dict[str, Any] = {"epochs": 12, "batch": 16, "learning_rate": 5e-3}
    plain |= {"average_decay": 0.5}
    return Recipe("tiny", "multimodal", options=options, **(plain | changes))


def trained(one: Recipe, data: Path, folder: Path, cache: Path | None = None) -> Trainer:
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(one, MultimodalTask(one, data, cache), folder)
    list(trainer.run())
    write_results(trainer, folder)
    return trainer


def test_the_planted_words_are_learned_and_evaluated(
    data: Path, models: dict[str, str], tmp_path: Path
) -> None:
    trainer = trained(recipe(models, "text"), data, tmp_path)
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["weighted_f1"] > 0.8 > found["floor_accuracy"]
    low, high = found["interval"]["weighted_f1"]
    assert low <= found["weighted_f1"] <= high
    # what was saved is what a fresh process opens
    task, network = open_run(tmp_path, data, None)
    again = predict(network, task, torch.device("cpu"))
    kept = Predictions.load(tmp_path)
    assert np.allclose(again.log_probs, kept.log_probs, atol=1e-5)
    assert summary(again)["accuracy"] == found["accuracy"]
    assert isinstance(trainer.average, MultimodalNetwork)
    # so is what was trained when the task was called combined
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["recipe"] = state["recipe"].replace('"multimodal"', '"combined"')
    torch.save(state, tmp_path / CHECKPOINT)
    assert "combined" in state["recipe"]
    assert open_run(tmp_path, data, None)[0].recipe.task == "multimodal"


@pytest.mark.slow
def test_gradients_reach_every_parameter_and_one_batch_can_be_learned(
    data: Path, models: dict[str, str], tmp_path: Path
) -> None:
    for fusion in ("concat", "gated", "attention", "cross-modal"):
        one = recipe(models, "text speech face", options={"fusion": fusion, "limit": 24})
        task = MultimodalTask(one, data, None)
        network = task.network()
        inputs, targets = next(iter(task.batches(np.random.default_rng(0))))
        weights = torch.ones(7)
        optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
        first = None
        # that each can learn a batch by heart, tests/models/networks/fusions show
        for step in range(40 if fusion == "cross-modal" else 1):
            loss = task.loss(network(*tensors(inputs)), torch.from_numpy(targets), weights, 0.0)
            optimizer.zero_grad()
            loss.backward()
            if step == 0:
                first = float(loss.detach())
                without = [n for n, p in network.named_parameters() if p.grad is None]
                assert not without, (fusion, without)
            optimizer.step()
        if fusion == "cross-modal":
            assert first is not None
            assert float(loss.detach()) < 0.3 * first


def test_a_hidden_modality_cannot_be_seen(data: Path, models: dict[str, str]) -> None:
    one = recipe(models, options={"limit": 24})
    task = MultimodalTask(one, data, None)
    network = task.network().eval()
    inputs, _ = next(iter(task.of("development")))
    blind = dict(inputs)
    present = inputs["present"].copy()
    present[:, 0] = 0  # speech
    blind["present"] = present
    other = {**blind, "speech_mfcc": blind["speech_mfcc"] * 3 + 1}
    with torch.no_grad():
        assert torch.allclose(network(*tensors(blind))[0], network(*tensors(other))[0], atol=1e-5)
        assert not torch.allclose(network(*tensors(inputs))[0], network(*tensors(blind))[0])


def test_what_a_frozen_encoder_says_is_computed_once(
    data: Path, models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = recipe(models, "text speech", epochs=2)
    encoders = dict(one.options["encoders"])
    encoders["speech"] = {
        "kind": "wav2vec2",
        "frozen": True,
        "head": "lstm",
        "options": {"model": models["wav2vec2"]},
    }
    one = replace(one, options={**one.options, "encoders": encoders})
    cache = tmp_path / "cache"
    n = precompute(one, data, cache, workers=1)
    assert n == 48 + 24
    told = capsys.readouterr().err
    assert told.startswith(f"{one.name}: reading the data\nspeech: 16 of 72 items\n")
    assert "speech: 72 of 72 items\n" in told
    assert precompute(one, data, cache, workers=1) == 0
    files = sorted(cache.rglob("*.npy"))
    assert len(files) == n
    before = [f.stat().st_mtime_ns for f in files]
    task = MultimodalTask(one, data, cache)
    assert [f.stat().st_mtime_ns for f in files] == before
    # trained on what is kept, the network is that of the encoder itself
    network = task.network().eval()
    assert isinstance(network, MultimodalNetwork)
    inputs, _ = next(iter(task.of("development")))
    with torch.no_grad():
        kept = network(*tensors(inputs))[0]
        branch = network.branches["speech"]
        assert isinstance(branch, Branch)
        branch.kept = False
        whole = []
        for row, item in enumerate(task.parts.development[: len(kept)]):
            prepared = task.sources["speech"].prepare(item)
            assert prepared is not None
            single = task.single(inputs, row)
            arrays = {"wave": prepared[0][None], "mask": np.ones((1, len(prepared[0])), np.float32)}
            text = {k: v for k, v in single.items() if k.startswith("text") or k == "present"}
            whole.append(network(*tensors({**arrays, **text}))[0])
    assert torch.allclose(torch.cat(whole), kept, atol=2e-2)


def test_an_interrupted_run_goes_on_to_the_same_weights(
    data: Path, models: dict[str, str], tmp_path: Path
) -> None:
    one = recipe(models, "text", epochs=3, options={"limit": 32})
    whole = trained(one, data, tmp_path / "whole")
    (tmp_path / "part").mkdir()
    first = Trainer(one, MultimodalTask(one, data, None), tmp_path / "part")
    next(first.run())
    second = Trainer(one, MultimodalTask(one, data, None), tmp_path / "part")
    second.resume()
    list(second.run())
    for ours, theirs in zip(
        second.network.state_dict().values(), whole.network.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_convolutions_over_time_and_picture_train(data: Path, tmp_path: Path) -> None:
    # their weights have five axes, and channels last is an order of four
    options = {"count": 2, "size": 16, "widths": [4, 4]}
    encoders = {"face": {"kind": "cnn3d", "options": options}}
    one = recipe(
        {"roberta": "", "vit": ""}, "", epochs=1, options={"encoders": encoders, "limit": 16}
    )
    trainer = trained(one, data, tmp_path)
    assert trainer.epoch == 1


@pytest.mark.slow
def test_the_ablation_finds_the_modality_that_was_planted(
    data: Path, models: dict[str, str], tmp_path: Path
) -> None:
    one = recipe(models, "text speech face", epochs=8, options={"limit": 40})
    rows = ablate(one, data, tmp_path, None, ["product"], folds=False)
    assert list(rows) == [
        "speech",
        "text",
        "face",
        "speech+text product",
        "speech+face product",
        "text+face product",
        "speech+text+face product",
    ]
    f1 = {name: row["weighted_f1"] for name, row in rows.items()}
    assert f1["text"] > max(f1["speech"], f1["face"]) + 0.1
    with_text = np.mean([f for name, f in f1.items() if "text" in name])
    assert with_text > np.mean([f for name, f in f1.items() if "text" not in name])
    table = (tmp_path / "ablation.md").read_text()
    assert table.count("\n| ") == 2 + len(rows)
    # done already: nothing is trained again
    checkpoint = tmp_path / "text" / "checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns
    ablate(one, data, tmp_path, None, ["product"], folds=False)
    assert checkpoint.stat().st_mtime_ns == before
    with pytest.raises(MmerError, match="no fusion loud"):
        variants(one, ["loud"])


def test_folds_hold_every_item_out_once_and_no_speaker_is_on_both_sides(
    data: Path, tmp_path: Path
) -> None:
    one = Recipe(
        "folds",
        "multimodal",
        epochs=4,
        batch=4,
        learning_rate=5e-3,
        average_decay=0.5,
        options={
            "corpus": "ravdess",
            "train": ["train"],
            "folds": 3,
            "encoders": {"speech": {"kind": "mfcc-cnn"}},
            "width": 16,
        },
    )
    train_folds(one, data, tmp_path, None, resume=False)
    found = Predictions.load(tmp_path)
    assert len(found) == 3 * 7
    assert set(found.fold.tolist()) == {0, 1, 2}
    for speaker in set(found.groups.tolist()):
        assert len(set(found.fold[found.groups == speaker].tolist())) == 1
    task = MultimodalTask(replace(one, options={**one.options, "fold": 1}), data, None)
    sides = [
        {i.speaker for i in getattr(task.parts, s)} for s in ("train", "development", "evaluated")
    ]
    assert sum(len(s) for s in sides) == len(set().union(*sides)) == 3


def test_pictures_without_a_file_are_known_again_by_sight(corpora: Path) -> None:
    options = {"corpus": "fer2013", "development": "public_test"}
    options |= {"encoders": {"face": {"kind": "face-cnn"}}}
    one = recipe({"roberta": "", "vit": ""}, "", options=options)
    task = MultimodalTask(one, corpora, None, rows=False)
    item = next(item for item in task.parts.train if item.pixels is not None)
    assert item.pixels is not None
    assert image_key(item.pixels) in task.seen().images


def test_fewer_items_than_folds_are_one_line(data: Path) -> None:
    options = {"corpus": "ravdess", "train": ["train"], "folds": 3, "limit": 3}
    one = recipe({"roberta": "", "vit": ""}, "speech", options=options)
    with pytest.raises(MmerError, match="ravdess: 3 items are too few for 3 folds: no emotion"):
        MultimodalTask(one, data, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": {}}, "name at least one encoder"),
        ({"encoders": {"smell": {"kind": "bert"}}}, "unknown modality smell"),
        ({"encoders": {"text": {"kind": "mfcc-cnn"}}}, "is an encoder of speech, not of text"),
        ({"encoders": {"text": {"kind": "gpt-9"}}}, "no encoder 'gpt-9'"),
        ({"encoders": {"speech": {"kind": "mfcc-cnn", "head": "big"}}}, "no head 'big'"),
        ({"fusion": "loud"}, "no fusion 'loud'"),
        ({"words": "guessed"}, "words is 'guessed'"),
        ({"folds": 2}, "folds must be 3 or more"),
        ({"corpus": "nowhere"}, "no corpus 'nowhere'; known are ravdess, "),
        ({"corpus": "esc10"}, "no corpus 'esc10'; known are ravdess, "),
        ({"corpus": "savee"}, "savee is not in"),
        ({"development": "train"}, "would be in training and evaluation"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_line(
    data: Path, models: dict[str, str], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(MmerError, match=message) as error:
        MultimodalTask(recipe(models, options=changes), data, None)
    assert "\n" not in str(error.value)


def test_items_beyond_the_memory_are_made_anew(data: Path, models: dict[str, str]) -> None:
    one = recipe(models, "text speech", options={"limit": 20})
    whole = MultimodalTask(one, data, None)
    none = MultimodalTask(replace(one, options={**one.options, "memory_gb": 0.0}), data, None)
    for (inputs, labels), (again, _) in zip(whole.development(), none.development(), strict=True):
        assert len(labels)
        assert all((inputs[name] == again[name]).all() for name in inputs)
    rows = none.sets["development"]["speech"]
    rows.present[0], rows._items = False, [replace(i, path=None) for i in rows._items]
    *arrays, mask = rows.batch([0])  # none of the batch has a voice
    assert len(mask) == 1
    assert not mask.any()
    assert all(len(array) == 1 for array in arrays)


def test_damaged_development_files_are_told(data: Path, tmp_path: Path) -> None:
    write_ravdess(tmp_path / "ravdess", range(2, 6), 1, {"speech": 1.0})
    options = {"corpus": "ravdess", "train": ["train"], "folds": 4, "limit": 0}
    one = recipe({"roberta": "", "vit": ""}, "speech", batch=4, options=options)
    parts = MultimodalTask(one, tmp_path, None, rows=False).parts
    damaged = parts.development[0].path
    assert damaged is not None
    damaged.write_bytes(b"RIFF")
    told = MultimodalTask(one, tmp_path, None).dropped
    (why,) = [reason for reason in told if "cannot be read" in reason]
    assert why.startswith("ravdess: speech of the development items cannot be read (")
    assert told[why] == 1


def test_a_dangling_link_is_passed_over_also_with_a_cache(tmp_path: Path) -> None:
    write_ravdess(tmp_path / "ravdess", range(2, 6), 1, {"speech": 1.0})
    options = {"corpus": "ravdess", "train": ["train"], "folds": 4}
    one = recipe({"roberta": "", "vit": ""}, "speech", batch=4, options=options)
    parts = MultimodalTask(one, tmp_path, None, rows=False).parts
    lost = parts.train[0].path
    assert lost is not None
    lost.unlink()
    lost.symlink_to(tmp_path / "nowhere.wav")
    told = MultimodalTask(one, tmp_path, tmp_path / "cache").dropped
    assert [n for why, n in told.items() if "cannot be read" in why] == [1]
