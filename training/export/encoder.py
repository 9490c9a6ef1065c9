"""From a trained network to NAME.onnx, NAME.seen.npz and the card that tells what they are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import nn

from mmer.models.cards.card import Card, Development
from mmer.models.checksum import sha256_of
from mmer.models.engine import Engine, open_engine
from mmer.models.labels import EMOTIONS
from mmer.models.machine import cpu_name
from mmer.training.export.onnx_file import write_onnx
from mmer.training.export.parity import compare, median_latency_ms
from mmer.training.export.quantize import quantize
from mmer.training.metrics.calibration import (
    ABSTENTION,
    calibration_error_by_chance,
    choose_threshold,
    coverage_curve,
    cross_fitted,
)
from mmer.training.metrics.figures import (
    class_recall,
    confusion,
    expected_calibration_error,
    figures,
    fit_temperature,
    log_softmax,
)
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Task

LICENCE = (
    "Non-commercial research use only: the weights follow the strictest of the corpora they were "
    "trained on. See LICENSE.md beside this card."
)
WEAK_RECALL = 0.5
LARGE_GROUP = 20
"""So many items make a speaker's accuracy worth telling."""

Answers = tuple[np.ndarray, np.ndarray]
"""Logits (N, 7) and class indices (N,)."""


def _ask(engine: Engine, task: Task, condition: str | None, one_by_one: bool) -> Answers:
    """The network's answers to the development fold.

    An int8 network's depend on what else is in the batch: it is asked as it will be used.
    """
    logits, labels = [], []
    for inputs, classes in task.development(condition):
        if one_by_one:
            rows = range(len(classes))
            logits += [engine.run(task.single(inputs, row))["logits"] for row in rows]
        else:
            logits.append(engine.run(inputs)["logits"])
        labels.append(classes)
    return np.concatenate(logits), np.concatenate(labels)


def development_figures(
    data: str, log_probs: np.ndarray, labels: np.ndarray, note: str = ""
) -> Development:
    """Figures for a card of log-probabilities (N, 7) against class indices (N,)."""
    rounded: dict[str, Any] = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(figures(log_probs, labels)).items()
    }
    recall = class_recall(confusion(labels, log_probs.argmax(axis=1)))
    return Development(
        data=data, note=note, recall={k: round(v, 4) for k, v in recall.items()}, **rounded
    )


def shown_failures(log_probs: np.ndarray, labels: np.ndarray, groups: list[str]) -> tuple[str, ...]:
    """What the development figures themselves show of who and what it does badly on."""
    table = confusion(labels, log_probs.argmax(axis=1))
    lines = []
    for k, emotion in enumerate(EMOTIONS):
        n = table[k].sum()
        if n and table[k, k] < WEAK_RECALL * n:
            others = table[k].copy()
            others[k] = 0
            lines.append(
                f"{emotion}: of {n} development items it finds {table[k, k] / n:.0%} and takes "
                f"{others.max() / n:.0%} for {EMOTIONS[int(others.argmax())]}."
            )
    right = log_probs.argmax(axis=1) == labels
    names = np.array(groups)
    accuracies = {
        name: float(right[names == name].mean())
        for name, n in zip(*np.unique(names, return_counts=True), strict=True)
        if n >= LARGE_GROUP
    }
    if len(accuracies) > 1:
        worst, best = min(accuracies, key=lambda k: accuracies[k]), max(accuracies.values())
        lines.append(
            f"Accuracy differs from one to another of {len(accuracies)} development groups: "
            f"{accuracies[worst]:.0%} for {worst}, {best:.0%} for the best."
        )
    return tuple(lines)


def _calibration_note(task: Task, scaled: list[np.ndarray], labels: np.ndarray, fitted: int) -> str:
    """How to read the calibration error; ``scaled`` begins with the states that were fitted to."""
    note = (
        "ece is cross-fitted: each half of the items is judged by a temperature of the other half, "
        f"with no one of {len(set(task.development_groups()))} speakers, dialogues or pictures in "
        "both. Exactly calibrated answers, as many and as sure, would show "
        f"{calibration_error_by_chance(scaled[0]):.3f} by chance. The shipped temperature is "
        "fitted to all items"
    )
    if fitted == 1:
        return f"{note}."
    together, all_labels = np.concatenate(scaled[:fitted]), np.tile(labels, fitted)
    return (
        f"{note} in {fitted} states; over these together, {len(together)} answers, ece is "
        f"{expected_calibration_error(together, all_labels):.3f}, and "
        f"{calibration_error_by_chance(together):.3f} by chance."
    )


def measured_card(
    recipe: Recipe, task: Task, path: Path, float32: Path, network: nn.Module
) -> Card:
    """Measure the network at ``path`` on the development fold; fit its temperature and threshold.

    Raises:
        MmerError: it does not answer as ``network`` does: see ``compare``.
    """
    engine = open_engine(path, "cpu")
    parity = compare(network, task, open_engine(float32, "cpu"), engine)
    one_by_one = recipe.precision != "float32"
    logits, labels = _ask(engine, task, None, one_by_one)
    groups = task.development_groups()
    others = {c: _ask(engine, task, c, one_by_one) for c in task.conditions}
    # a condition may also be another choice of items, to which nothing is fitted
    same = [c for c, (_, classes) in others.items() if np.array_equal(classes, labels)]
    usual = same if task.usual is None else [c for c in same if c in task.usual]
    same = [*usual, *(c for c in same if c not in usual)]
    states = [logits, *(others[c][0] for c in same)]
    fitted = 1 + len(usual)
    temperature = fit_temperature(np.concatenate(states[:fitted]), np.tile(labels, fitted))
    scaled = cross_fitted(states, labels, groups, fitted)
    judged = dict(zip(same, scaled[1:], strict=True))
    conditions = []
    for c, (other_logits, classes) in others.items():
        if not len(classes):  # no development item can be in this state: nothing to measure
            continue
        log_probs = judged[c] if c in judged else log_softmax(other_logits / temperature)
        conditions.append(development_figures(c, log_probs, classes))
    note = _calibration_note(task, scaled, labels, fitted)
    development = development_figures(task.development_data, scaled[0], labels, note)
    curve = coverage_curve(np.concatenate(scaled), np.tile(labels, len(states)))
    return Card(
        name=recipe.name,
        modality=task.modality,
        file=path.name,
        sha256=sha256_of(path),
        labels=EMOTIONS,
        preprocessing=task.preprocessing(),
        temperature=round(temperature, 4),
        training=task.training_data(),
        recipe=recipe.as_dict(),
        development=development,
        licence=LICENCE,
        notes=task.notes(),
        intended_use=task.intended_use,
        unintended_use=task.unintended_use,
        known_failures=(*shown_failures(scaled[0], labels, groups), *task.known_failures),
        starting_point=task.starting_point,
        precision=recipe.precision,
        seen=f"{recipe.name}.seen.npz",
        latency_ms=round(median_latency_ms(engine, task), 2),
        machine=cpu_name(),
        parity=parity,
        conditions=tuple(conditions),
        coverage=curve,
        abstain_below=choose_threshold(curve),
        abstention=ABSTENTION,
    )


def export(network: nn.Module, recipe: Recipe, task: Task, folder: Path) -> Card:
    """Write NAME.onnx, its card, NAME.seen.npz and what else the wrapper needs into ``folder``.

    Raises:
        MmerError: the exported network does not answer as the trained one does; nothing is
            written then.
    """
    network = network.cpu().eval()
    task.settle(network)
    with TemporaryDirectory(dir=folder) as made:
        path = Path(made) / f"{recipe.name}.onnx"
        float32 = path
        write_onnx(network, task, path)
        if recipe.precision == "int8":
            float32 = path.rename(path.with_suffix(".float32.onnx"))
            quantize(float32, path)
        card = measured_card(recipe, task, path, float32, network)
        path.replace(folder / path.name)
    task.save_extras(folder)
    task.seen().save(folder / card.seen)
    card.save(folder / f"{recipe.name}.json")
    return card
