"""Multimodal runs: results that training leaves in the folder, and opening of a trained run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.networks.multimodal import MultimodalNetwork
from mmer.training.loop.trainer import Trainer, tensors
from mmer.training.metrics.bootstrap import intervals, regroup
from mmer.training.metrics.figures import figures, log_softmax
from mmer.training.metrics.predictions import FILE, Predictions
from mmer.training.multimodal.attention import examples_of
from mmer.training.multimodal.items import group_of
from mmer.training.multimodal.task import MultimodalTask
from mmer.training.recipes.recipe import Recipe
from mmer.training.report.attention import FILE as ATTENTION
from mmer.training.report.attention import save_attention
from mmer.training.report.run import FIGURES
from mmer.training.storage import CHECKPOINT, write_json

RESAMPLES = 2000


def predict(network: torch.nn.Module, task: MultimodalTask, device: torch.device) -> Predictions:
    """Predictions of the evaluated items, without temperature; no item is left out."""
    network.eval()
    logits = []
    with torch.no_grad():
        for inputs, _ in task.of("evaluated"):
            logits.append(network(*tensors(inputs, device))[0].float().cpu().numpy())
    items = task.parts.evaluated
    fold = task.options.fold if task.options.folds else -1
    return Predictions(
        ids=np.array([item.id for item in items]),
        groups=np.array([group_of(item) for item in items]),
        labels=np.array([item.label for item in items], np.int64),
        log_probs=log_softmax(np.concatenate(logits)),
        fold=np.full(len(items), fold, np.int64),
        what=f"{task.recipe.name} on {task.options.corpus}",
    )


def summary(predictions: Predictions) -> dict[str, Any]:
    """Figures and their intervals, as in figures.json."""
    groups = regroup(predictions.groups.tolist())
    low_high = intervals(
        predictions.log_probs, predictions.labels, groups.of, resamples=RESAMPLES, seed=0
    )
    return {
        "what": predictions.what,
        **asdict(figures(predictions.log_probs, predictions.labels)),
        "interval": low_high,
        "resampled_by": groups.by,
        "labels": list(EMOTIONS),
    }


def write_results(trainer: Trainer, folder: Path) -> dict[str, Any]:
    """Write predictions.npz, figures.json and attention.npz; returns the figures.

    Raises:
        MmerError: the folder cannot be written to.
    """
    task = trainer.task
    assert isinstance(task, MultimodalTask)
    predictions = predict(trainer.average, task, trainer.device)
    assert isinstance(trainer.average, MultimodalNetwork)
    save_attention(examples_of(trainer.average, task, trainer.device), folder / ATTENTION)
    found = write_summary(predictions, folder, _about(task))
    predictions.save(folder / FILE)  # last: a run that has them is finished
    return found


def _about(task: MultimodalTask) -> dict[str, Any]:
    """Recipe, data and notes of a run, for its report."""
    left_out = [f"left out: {count} of {reason}" for reason, count in task.dropped.items()]
    return {
        "name": task.recipe.name,
        "recipe": task.recipe.as_dict(),
        "training": [asdict(data) for data in task.training_data()],
        "notes": [*task.notes(), *left_out],
    }


def write_summary(
    predictions: Predictions, folder: Path, about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write figures.json, with ``about`` the run in it; returns its content."""
    found = summary(predictions) | dict(about or {})
    write_json(folder / FIGURES, found)
    return found


def join_folds(folders: list[Path]) -> Predictions:
    """The predictions of all folds of one recipe: every item was held out once."""
    parts = [Predictions.load(folder) for folder in folders]
    return Predictions(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("ids", "groups", "labels", "log_probs", "fold")
        },
        what=f"{parts[0].what}, {len(parts)} folds",
    )


def run_recipe(folder: Path) -> Recipe:
    """The recipe of a finished or begun run.

    Raises:
        MmerError: there is none in the folder.
    """
    return Recipe.from_fingerprint(_state(folder)["recipe"], str(folder / CHECKPOINT))


def open_run(
    folder: Path, data: Path, cache: Path | None, *, rows: bool = True
) -> tuple[MultimodalTask, MultimodalNetwork]:
    """A trained run with its data; the network has the run's weights and its encoders.

    Without ``rows`` the items are not prepared: see ``MultimodalTask``.

    Raises:
        MmerError: the folder has no run of the field's models, its weights are of another network
            than its recipe's, or its corpus is missing.
    """
    state = _state(folder)
    recipe = Recipe.from_fingerprint(state["recipe"], str(folder / CHECKPOINT))
    if recipe.task != "multimodal":
        raise MmerError(
            f"{folder} is a run of the {recipe.task} recipe, which is exported when it ends"
        )
    task = MultimodalTask(replace(recipe, precision="float32"), data, cache, rows=rows)
    network = task.network()
    assert isinstance(network, MultimodalNetwork)
    try:
        network.load_state_dict(state["best"][2] if state["best"] else state["average"])
    except RuntimeError as error:
        raise MmerError(
            f"{folder / CHECKPOINT}: its weights do not fit the recipe's network; were the folders "
            "of its pretrained models changed? If not, train anew"
        ) from error
    return task, network.eval()


def _state(folder: Path) -> dict[str, Any]:
    path = folder / CHECKPOINT
    if not path.is_file():
        raise MmerError(f"no run in {folder}: {path.name} is missing (mmer-train writes it)")
    try:
        state = dict(torch.load(path, map_location="cpu", weights_only=True))
        json.loads(state["recipe"])
    except Exception as error:  # damage shows as any kind of error
        raise MmerError(f"{path} is damaged: train anew") from error
    return state
