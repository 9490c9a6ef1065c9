"""From a trained network to NAME.onnx and its card, checked against each other."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.models.card import Card, Development
from mmer.models.engine import Engine, sha256_of
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.loop import tensors
from mmer.training.metrics import figures, fit_temperature, log_softmax
from mmer.training.recipe import Recipe
from mmer.training.tasks.task import Task

OPSET = 18
OUTPUTS = ("logits", "embedding")
LICENCE = (
    "Non-commercial research use only: the weights follow the strictest of the corpora they were "
    "trained on. See LICENSE.md beside this card."
)
CALIBRATION_NOTE = (
    "The temperature was fitted on the development data itself, so ece is a best case; accuracy "
    "and F1 do not depend on it."
)


def write_onnx(network: nn.Module, task: Task, path: Path, tolerance: float = 1e-3) -> None:
    """Export, and see that ONNX Runtime answers as torch does on development data.

    Raises:
        MmerError: the largest difference of the outputs is above ``tolerance``.
    """
    network = network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    samples = [inputs for (inputs, _), _ in zip(task.development(), range(3), strict=False)]
    axes = task.dynamic_axes()
    shapes = tuple(dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in samples[0])
    # A batch of 2: an axis of length 1 would be taken for a constant.
    example = tuple(t[:1].repeat(2, *[1] * (t.dim() - 1)) for t in tensors(samples[0]))
    # torch warns that torchvision is not there, and of its own deprecations
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            example,
            input_names=list(samples[0]),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    if program is None:  # only where the exporter is asked for a file
        raise MmerError(f"torch did not export {path}")
    graph = program.model.graph
    for node in graph:
        node.metadata_props.clear()  # stack traces, with the paths of this machine
        for value in node.outputs:
            value.metadata_props.clear()
            if value.name in OUTPUTS:  # a layer of that name; the exporter misses the clash
                value.name += "_inside"
    for value, name in zip(graph.outputs, OUTPUTS, strict=True):
        value.name = name
    program.save(str(path), external_data=False)
    engine = Engine(path, "cpu")
    for inputs in samples:
        with torch.no_grad():
            ours = network(*tensors(inputs))
        theirs = engine.run(inputs)
        for tensor, name in zip(ours, OUTPUTS, strict=True):
            gap = float(np.abs(tensor.numpy() - theirs[name]).max())
            if not gap <= tolerance:
                raise MmerError(f"{path}: {name} differs from torch's by {gap:.2g}")


def _measure(
    engine: Engine, task: Task, condition: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 7) and class indices (N,) of the development fold."""
    pairs = [(engine.run(i)["logits"], labels) for i, labels in task.development(condition)]
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def write_card(recipe: Recipe, task: Task, path: Path) -> Card:
    """Measure NAME.onnx on the development fold, fit its temperature and write NAME.json."""
    engine = Engine(path, "cpu")
    logits, labels = _measure(engine, task)
    others = {condition: _measure(engine, task, condition) for condition in task.conditions}
    temperature = fit_temperature(
        np.concatenate([logits, *(o[0] for o in others.values())]),
        np.concatenate([labels, *(o[1] for o in others.values())]),
    )
    result = figures(log_softmax(logits / temperature), labels)
    notes = []
    for condition, (other_logits, other_labels) in others.items():
        f = figures(log_softmax(other_logits / temperature), other_labels)
        notes.append(
            f"The development data in {condition}: accuracy {f.accuracy:.3f}, weighted F1 "
            f"{f.weighted_f1:.3f}, macro F1 {f.macro_f1:.3f}, unweighted recall "
            f"{f.unweighted_recall:.3f}, ece {f.ece:.3f}."
        )
    rounded: dict[str, Any] = {
        k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(result).items()
    }
    card = Card(
        name=recipe.name,
        modality=task.modality,
        file=path.name,
        sha256=sha256_of(path),
        labels=EMOTIONS,
        preprocessing=task.preprocessing(),
        temperature=round(temperature, 4),
        training=task.training_data(),
        recipe=recipe.as_dict(),
        development=Development(data=task.development_data, note=CALIBRATION_NOTE, **rounded),
        licence=LICENCE,
        notes=(*notes, *task.notes()),
    )
    card.save(path.with_suffix(".json"))
    return card


def export(network: nn.Module, recipe: Recipe, task: Task, folder: Path) -> Card:
    """Write NAME.onnx, NAME.json and what else the wrapper needs into ``folder``."""
    path = folder / f"{recipe.name}.onnx"
    task.save_extras(folder)
    write_onnx(network, task, path)
    return write_card(recipe, task, path)
