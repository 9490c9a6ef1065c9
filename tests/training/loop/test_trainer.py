"""The loop itself, on a task that needs no data: repeatable, resumable, its course on disk."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")

import torch
from tiny_task import TinyTask, tiny_recipe

from mmer.models.errors import MmerError
from mmer.training.loop import trainer as trainer_module
from mmer.training.loop.trainer import Trainer, class_weights, development_logits
from mmer.training.metrics.figures import log_softmax
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Arrays, soft_loss


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [*trainer.network.state_dict().values(), *trainer.average.state_dict().values()]


def same(ours: Trainer, theirs: Trainer) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(ours), weights(theirs), strict=True))


def same_average(ours: Trainer, theirs: Trainer) -> bool:
    pairs = zip(ours.average.parameters(), theirs.average.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(8, 7)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.head(x), x


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


def test_of_a_run_with_patience_the_weights_that_it_exported_are_begun_with(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=40, patience=2, watch="loss", learning_rate=0.3)
    first, found = whole_run(recipe, tmp_path / "first")
    losses = [development for _, development in found]
    assert min(losses) < losses[-1]  # the last epoch was not the best
    (tmp_path / "second").mkdir()
    second = Trainer(tiny_recipe(start=("first",)), TinyTask(), tmp_path / "second")
    begun, exported = second.network.state_dict(), first.average.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in exported.items())


@pytest.mark.parametrize("mixed", ["no", "bf16"])
def test_two_runs_of_a_recipe_are_the_same_and_another_seed_is_another_run(
    tmp_path: Path, mixed: str
) -> None:
    recipe = tiny_recipe(mixed_precision=mixed)
    first, losses = whole_run(recipe, tmp_path / "first")
    torch.rand(17)  # what else draws random numbers in the process does not matter
    second, again = whole_run(recipe, tmp_path / "second")
    other, _ = whole_run(tiny_recipe(mixed_precision=mixed, seed=2), tmp_path / "other")
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


def test_the_course_of_training_is_on_disk_after_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "DRAW_EVERY_S", 0.0)
    trainer = Trainer(tiny_recipe(), TinyTask(), tmp_path)
    for report in trainer.run():
        with (tmp_path / "curves.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [int(r["epoch"]) for r in rows] == list(range(1, report.epoch + 1))
        assert float(rows[-1]["train_loss"]) == pytest.approx(report.train_loss, rel=1e-3)
        assert float(rows[-1]["macro_f1"]) == pytest.approx(report.figures.macro_f1, rel=1e-3)
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert report.figures.accuracy > report.figures.floor_accuracy + 0.3


def test_short_epochs_are_drawn_together_and_the_last_one_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "DRAW_EVERY_S", float("inf"))
    trainer = Trainer(tiny_recipe(epochs=2), TinyTask(), tmp_path)
    there = [(tmp_path / "curves.png").exists() for _ in trainer.run()]
    assert there[-1]
    assert not there[0]


def test_it_trains_on_the_gpu_where_there_is_one(tmp_path: Path) -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    trainer = Trainer(tiny_recipe(epochs=1, mixed_precision="bf16"), TinyTask(), tmp_path)
    list(trainer.run())
    assert {w.device.type for w in weights(trainer)} == {expected}


def test_two_batches_of_an_update_weigh_as_one_of_twice_the_size(tmp_path: Path) -> None:
    # without batch statistics and dropout the gradients of two halves are those of the whole
    class Plain(TinyTask):
        def network(self) -> torch.nn.Module:
            return Linear()

        def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
            for inputs, targets in super().batches(rng):
                yield {"x": inputs["x"][:16]}, targets[:16]
                yield {"x": inputs["x"][16:]}, targets[16:]

    class Whole(Plain):
        def batches(self, rng: np.random.Generator) -> Iterator[tuple[Arrays, np.ndarray]]:
            yield from TinyTask.batches(self, rng)

    Plain.batches_per_epoch = 12
    Whole.batches_per_epoch = 6
    runs = []
    for task, accumulate in ((Plain(), 2), (Whole(), 1)):
        trainer = Trainer(tiny_recipe(accumulate=accumulate, epochs=2), task, tmp_path)
        list(trainer.run())
        runs.append(weights(trainer))
    for halves, whole in zip(*runs, strict=True):
        assert torch.allclose(halves, whole, atol=1e-6)


def test_patience_ends_a_run_and_keeps_its_best_weights(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=40, patience=2, watch="loss", learning_rate=0.3)
    trainer = Trainer(recipe, TinyTask(), tmp_path)
    losses = [report.development_loss for report in trainer.run()]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 40
    logits, labels = development_logits(trainer.average, trainer.task)
    log_probs = log_softmax(logits)
    kept = -log_probs[np.arange(len(labels)), labels].mean()
    assert kept == pytest.approx(losses[best], abs=1e-6)
    again = Trainer(recipe, TinyTask(), tmp_path)
    again.resume()
    assert list(again.run()) == []
    assert same_average(again, trainer)


def test_a_run_that_stops_early_is_the_beginning_of_the_whole(tmp_path: Path) -> None:
    _, losses = whole_run(tiny_recipe(epochs=3), tmp_path / "whole")
    _, early = whole_run(tiny_recipe(epochs=3, stop=2), tmp_path / "early")
    assert early == losses[:2]


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [0.5, 1, 1]), ("linear", [0.5, 1, 0.2])]
)
def test_the_learning_rate_climbs_and_falls_as_the_recipe_says(
    tmp_path: Path, schedule: str, expected: list[float]
) -> None:
    recipe = tiny_recipe(schedule=schedule, epochs=1, warm_up=2 / 6, optimizer="adam")
    trainer = Trainer(recipe, TinyTask(), tmp_path)
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"] / recipe.learning_rate)
    )
    list(trainer.run())
    assert [rates[0], rates[1], rates[-1]] == pytest.approx(expected, abs=0.25)
    assert len(rates) == 6


@pytest.mark.slow
def test_several_processes_share_the_batches(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from accelerate import debug_launcher\n"
        "from tiny_task import TinyTask, tiny_recipe\n"
        "from mmer.training.loop.trainer import Trainer\n"
        "def run(folder):\n"
        "    trainer = Trainer(tiny_recipe(epochs=2), TinyTask(), Path(folder))\n"
        "    n = []\n"
        "    reports = list(trainer.run(n.append))\n"
        "    first = float(next(trainer.network.parameters()).detach().sum())\n"
        "    rank = trainer.processes.process_index\n"
        "    told = f'{rank} {len(n)} {len(reports)} {first:.6f}'\n"
        "    Path(folder, f'rank-{rank}').write_text(told)\n"
        "debug_launcher(run, args=(sys.argv[1],), num_processes=2)\n"
    )
    # what `accelerate launch` starts, forked, for on a CPU it starts several processes only by MPI
    launched = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
            ),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert launched.returncode == 0, launched.stderr
    first, second = (tmp_path.joinpath(f"rank-{k}").read_text().split() for k in (0, 1))
    assert first[:3] == ["0", "6", "2"]
    assert second[:3] == ["1", "6", "0"]
    assert first[3] == second[3]
    assert (tmp_path / "checkpoint.pt").is_file()


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
