"""Export of a task's network: NAME.onnx, NAME.seen.npz and the card NAME.json."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torch import nn

from mmer.models.cards.card import Card
from mmer.models.checksum import sha256_of
from mmer.models.engine import Engine, open_engine
from mmer.models.errors import MmerError
from mmer.training.export.card import Answers, development_figures, make_card
from mmer.training.export.half import store_in_float16
from mmer.training.export.onnx_file import write_onnx
from mmer.training.export.parity import compare, median_latency_ms
from mmer.training.export.quantize import quantize
from mmer.training.metrics.calibration import calibration_error_by_chance
from mmer.training.metrics.figures import expected_calibration_error, log_softmax
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Task

LICENCE = (
    "Non-commercial research use only: the weights follow the strictest of the corpora they were "
    "trained on. See LICENSE.md beside this card."
)
SAMPLES = 3
"""Development batches on which the file is compared with torch as it is written."""


def export(network: nn.Module, recipe: Recipe, task: Task, folder: Path) -> Card:
    """Write NAME.onnx, its card, NAME.seen.npz and its preparation's files into ``folder``.

    Raises:
        MmerError: the exported network does not answer as the trained one does, or a condition
            has other items than the task says (``same_items``); nothing is written then.
    """
    network = network.cpu().eval()
    task.settle(network)
    with TemporaryDirectory(dir=folder) as made:
        path = Path(made) / f"{recipe.name}.onnx"
        samples = [inputs for inputs, _ in islice(task.development(), SAMPLES)]
        float32 = shipped = write_onnx(network, samples, task.dynamic_axes(), task.outputs, path)
        if recipe.precision != "float32":
            whole = path.rename(path.with_suffix(".float32.onnx"))
            if recipe.precision == "int8":
                quantize(whole, path, task.float_products, task.narrow_in_float)
            else:
                store_in_float16(whole, path)
            shipped = open_engine(path, "cpu")
        card = _measured_card(recipe, task, path, network, float32, shipped)
        path.replace(folder / path.name)
    task.save_extras(folder)
    task.seen().save(folder / card.seen)
    card = replace(card, seen_sha256=sha256_of(folder / card.seen))
    card.save(folder / f"{recipe.name}.json")
    return card


def _measured_card(
    recipe: Recipe, task: Task, path: Path, network: nn.Module, float32: Engine, shipped: Engine
) -> Card:
    """Measure ``shipped`` on the development fold; fit its temperature and threshold.

    Raises:
        MmerError: as ``export``.
    """
    parity = compare(network, task, float32, shipped)
    one_by_one = recipe.precision == "int8"
    logits, labels = _ask(shipped, task, None, one_by_one)
    asked = {c: _ask(shipped, task, c, one_by_one) for c in task.conditions}
    # without those that no development item can be in
    others = {c: answered for c, answered in asked.items() if len(answered[1])}
    same = [c for c in others if task.same_items(c)]
    for c in same:
        if not np.array_equal(others[c][1], labels):
            raise MmerError(
                f"{task.modality}: {c!r} has {len(others[c][1])} items that are not the "
                f"{len(labels)} of the development data in their order; same_items must be False"
            )
    usual = same if task.usual is None else [c for c in same if c in task.usual]
    same = [*usual, *(c for c in same if c not in usual)]
    states = [logits, *(others[c][0] for c in same)]
    answers = Answers(states, labels, task.development_groups(), 1 + len(usual))
    temperature, scaled = answers.temperature(), answers.scaled()
    cross = dict(zip(same, scaled[1:], strict=True))
    conditions = []
    for c, (other_logits, classes) in others.items():
        log_probs = cross[c] if c in cross else log_softmax(other_logits / temperature)
        conditions.append(development_figures(c, log_probs, classes))
    return make_card(
        path,
        recipe,
        task,
        answers,
        parity,
        median_latency_ms(shipped, task),
        _calibration_note(task, scaled, labels, answers.fitted),
        preprocessing=task.preprocessing(),
        licence=LICENCE,
        precision=recipe.precision,
        conditions=tuple(conditions),
    )


def _ask(
    engine: Engine, task: Task, condition: str | None, one_by_one: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 7) and class indices (N,) of the development fold.

    Those of an int8 network depend on what else is in the batch: it is run as it will be used.
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


def _calibration_note(task: Task, scaled: list[np.ndarray], labels: np.ndarray, fitted: int) -> str:
    """How to read the calibration error; ``scaled`` begins with the states that were fitted to."""
    note = (
        "ece is cross-fitted: each half of the items is evaluated with a temperature of the other "
        f"half, with no one of {len(set(task.development_groups()))} speakers, dialogues or images "
        "in both. Exactly calibrated answers, as many and as sure, would show "
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
