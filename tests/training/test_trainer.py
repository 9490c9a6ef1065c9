"""The loop itself, on a task that needs no data: repeatable, resumable, its course on disk."""

from __future__ import annotations

import csv
import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

import torch
from tiny_task import TinyTask, tiny_recipe

from mmer.models.errors import MmerError
from mmer.training.loop import Trainer, best_device, class_weights
from mmer.training.recipe import Recipe
from mmer.training.tasks.task import soft_loss


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [*trainer.network.state_dict().values(), *trainer.average.state_dict().values()]


def same(ours: Trainer, theirs: Trainer) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(ours), weights(theirs), strict=True))


def whole_run(recipe: Recipe, folder: Path) -> tuple[Trainer, list[tuple[float, float]]]:
    folder.mkdir()
    trainer = Trainer(recipe, TinyTask(), folder)
    return trainer, [(r.train_loss, r.development_loss) for r in trainer.run()]


def test_a_run_begins_with_the_weights_that_its_recipe_names(tmp_path: Path) -> None:
    first, _ = whole_run(tiny_recipe(), tmp_path / "first")
    (tmp_path / "second").mkdir()
    second = Trainer(tiny_recipe(start=("first",)), TinyTask(), tmp_path / "second")
    begun, ended = second.network.state_dict(), first.average.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in ended.items())
    with pytest.raises(MmerError, match="its networks do not join"):
        Trainer(tiny_recipe(start=("first", "first")), TinyTask(), tmp_path / "second")
    with pytest.raises(MmerError, match="run mmer-train nowhere first"):
        Trainer(tiny_recipe(start=("nowhere",)), TinyTask(), tmp_path / "second")


@pytest.mark.parametrize("bfloat16", [False, True])
def test_two_runs_of_a_recipe_are_the_same_and_another_seed_is_another_run(
    tmp_path: Path, bfloat16: bool
) -> None:
    recipe = tiny_recipe(bfloat16=bfloat16)
    first, losses = whole_run(recipe, tmp_path / "first")
    torch.rand(17)  # what else draws random numbers in the process does not matter
    second, again = whole_run(recipe, tmp_path / "second")
    other, _ = whole_run(tiny_recipe(bfloat16=bfloat16, seed=2), tmp_path / "other")
    assert losses == again
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.parametrize("stop_after_steps", [3, 6, 9])
def test_an_interrupted_run_ends_as_an_unbroken_one(tmp_path: Path, stop_after_steps: int) -> None:
    recipe = tiny_recipe()
    unbroken, losses = whole_run(recipe, tmp_path / "whole")
    folder = tmp_path / "broken"
    folder.mkdir()
    steps = 0

    def interrupt(loss: float) -> None:
        nonlocal steps
        steps += 1
        if steps > stop_after_steps:
            raise KeyboardInterrupt

    broken = Trainer(recipe, TinyTask(), folder)
    with pytest.raises(KeyboardInterrupt):
        list(broken.run(interrupt))
    done = broken.epoch
    assert done == stop_after_steps // TinyTask.batches_per_epoch
    torch.rand(5)
    again = Trainer(recipe, TinyTask(), folder)
    if done:
        again.resume()
    rest = [(r.train_loss, r.development_loss) for r in again.run()]
    assert rest == losses[done:]
    assert same(again, unbroken)
    ours, theirs = (
        list(csv.DictReader((f / "curves.csv").open())) for f in (folder, tmp_path / "whole")
    )
    for row in (*ours, *theirs):
        del row["seconds"]
    assert ours == theirs


def test_the_course_of_training_is_on_disk_after_every_epoch(tmp_path: Path) -> None:
    trainer = Trainer(tiny_recipe(), TinyTask(), tmp_path)
    for report in trainer.run():
        with (tmp_path / "curves.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [int(r["epoch"]) for r in rows] == list(range(1, report.epoch + 1))
        assert float(rows[-1]["train_loss"]) == pytest.approx(report.train_loss, rel=1e-3)
        assert float(rows[-1]["macro_f1"]) == pytest.approx(report.figures.macro_f1, rel=1e-3)
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert report.figures.accuracy > report.figures.floor_accuracy + 0.3


def test_it_trains_on_the_gpu_where_there_is_one(tmp_path: Path) -> None:
    assert best_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(tiny_recipe(epochs=1, bfloat16=True), TinyTask(), tmp_path)
    list(trainer.run())
    assert {w.device.type for w in weights(trainer)} == {best_device().type}


def test_resuming_needs_a_sound_checkpoint_of_the_same_recipe(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="nothing to resume"):
        Trainer(tiny_recipe(), TinyTask(), tmp_path).resume()
    list(Trainer(tiny_recipe(epochs=1), TinyTask(), tmp_path).run())
    with pytest.raises(MmerError, match="written by another recipe"):
        Trainer(tiny_recipe(), TinyTask(), tmp_path).resume()
    # how the weights are shipped does not change how they are trained
    Trainer(tiny_recipe(epochs=1, precision="int8"), TinyTask(), tmp_path).resume()
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(MmerError, match="is damaged"):
        Trainer(tiny_recipe(epochs=1), TinyTask(), tmp_path).resume()


def test_a_full_disk_is_told_before_training_and_while_saving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    trainer = Trainer(tiny_recipe(), TinyTask(), tmp_path)
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(MmerError, match="No space left on device"):
        list(trainer.run())
    assert not list(tmp_path.iterdir())
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(MmerError, match="not enough room"):
        Trainer(tiny_recipe(), TinyTask(), tmp_path)


def test_class_weights_keep_the_mean_and_favour_the_rare() -> None:
    shares = np.array([0.5, 0.25, 0.25, 0, 0, 0, 0])
    assert class_weights(shares, 0.0)[:3] == pytest.approx([1, 1, 1])
    weights = class_weights(shares, 1.0)
    assert (weights * shares).sum() == pytest.approx(1)
    assert weights[1] == pytest.approx(2 * weights[0])
    assert weights[3] == 0


def test_the_loss_is_cross_entropy() -> None:
    logits, labels = torch.randn(5, 7), torch.tensor([0, 1, 2, 3, 6])
    targets = torch.nn.functional.one_hot(labels, 7).float()
    for smoothing in (0.0, 0.1):
        theirs = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        assert torch.isclose(soft_loss(logits, targets, torch.ones(7), smoothing), theirs)
