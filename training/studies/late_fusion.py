"""Study of late fusion: the learned fusion against the best model alone, the mean and the product.

``python -m mmer.training.studies.late_fusion [--weights DIR] [--cache DIR] [--json OUT]`` prints
two comparisons: on label-paired moments of the development data, each half evaluated by a fusion
of the other half, and on IEMOCAP's encoder outputs, each fifth of the dialogues by a fusion of the
rest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import nn

from mmer.models.command import run_command
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.models.networks.shipped.fusion import FusionNetwork
from mmer.training.datasets.data_folder import data_dir, need
from mmer.training.loop.trainer import Trainer, tensors
from mmer.training.metrics.bootstrap import intervals
from mmer.training.metrics.figures import figures, log_softmax
from mmer.training.recipes.recipe import Recipe, load_recipe
from mmer.training.storage import write_json
from mmer.training.tasks.fusion import CORRUPTED, ONLY, FusionTask
from mmer.training.tasks.task import Arrays

ALL: Final = "all three"
FOLDS: Final = 5
PENALTY: Final = 3e-3
"""On the squares of the fusion's parameters, where there are too few moments to fit them freely.

From 1e-4 to 1 the learned fusion's weighted F1 on IEMOCAP lies between 0.623 and 0.634.
"""

Pool = Callable[[Arrays], NDArray[np.float64]]
"""Inputs of a fusion to log-probabilities (N, C)."""


def mean(inputs: Arrays) -> NDArray[np.float64]:
    """Mean of the distributions that are present."""
    present = inputs["present"][..., None]
    probs = (np.exp(inputs["log_probs"]) * present).sum(axis=1) / present.sum(axis=1)
    return np.asarray(np.log(probs), np.float64)


def product(inputs: Arrays) -> NDArray[np.float64]:
    """Product of the distributions that are present."""
    return log_softmax((inputs["log_probs"] * inputs["present"][..., None]).sum(axis=1))


def alone(k: int) -> Pool:
    """The distribution of the model at ``k``."""
    return lambda inputs: np.asarray(inputs["log_probs"][:, k], np.float64)


def learned(network: nn.Module) -> Pool:
    """The distribution of a fusion network."""

    def fuse(inputs: Arrays) -> NDArray[np.float64]:
        with torch.no_grad():
            return log_softmax(network.eval()(*tensors(inputs))[0].numpy())

    return fuse


def measure(
    labels: NDArray[np.int64], groups: NDArray[np.str_], answers: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Figures of each pool's log-probabilities (N, C), with 95 % intervals over ``groups`` (N,).

    Six classes are counted as the first six of seven, of which the last never occurs.
    """
    _, of = np.unique(groups, return_inverse=True)
    out: dict[str, Any] = {}
    for name, given in answers.items():
        absent = np.full((len(given), len(EMOTIONS) - given.shape[1]), -np.inf)
        log_probs = np.concatenate([given, absent], axis=1)
        found, edges = figures(log_probs, labels), intervals(log_probs, labels, of)
        interval = {key: [round(edge, 4) for edge in pair] for key, pair in edges.items()}
        out[name] = {"interval": interval} | {
            key: round(getattr(found, key), 4) for key in ("floor_accuracy", *edges)
        }
    return out


def paired(
    recipe: Recipe, data: Path, weights: Path | None = None, cache: Path | None = None
) -> dict[str, Any]:
    """Figures on label-paired moments of both halves, each by the fusion of the other half.

    ``moments``: the figures of each pool, by what is present and in what state; intervals are over
    the speech clips, of which there are fewest; the learned fusion is without the card's
    temperature. ``rest``: by what is left when modalities are removed, the accuracy of the fusion
    of all and of one trained without them.
    """
    tasks = [
        FusionTask(replace(recipe, options={**recipe.options, "half": half}), data, cache, weights)
        for half in (0, 1)
    ]
    networks = [_trained(task) for task in tasks]
    moments: dict[str, Any] = {}
    for condition, present in {ALL: MODALITIES, **ONLY, CORRUPTED: MODALITIES}.items():
        name = None if condition == ALL else condition
        parts = []
        for task, network in zip(tasks, networks, strict=True):
            pools = {m: alone(MODALITIES.index(m)) for m in present if condition != CORRUPTED}
            if len(present) > 1:
                pools |= {"mean": mean, "product": product}
            pools["learned"] = learned(network)
            inputs, labels = next(iter(task.development(name)))
            answers = {pool: fuse(inputs) for pool, fuse in pools.items()}
            parts.append((labels, task.speech_clips(name), answers))
        labels, clips = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        both = {n: np.concatenate([part[2][n] for part in parts]) for n in parts[0][2]}
        moments[condition] = measure(labels, clips, both)
    rest = {}
    for condition, present in ONLY.items():
        right: dict[str, list[float]] = {"of all": [], "of the rest": []}
        for task, network in zip(tasks, networks, strict=True):
            inputs, labels = next(iter(task.development(condition)))
            own = _trained(task.without_others(present))
            for name, each in (("of all", network), ("of the rest", own)):
                right[name] += list(learned(each)(inputs).argmax(axis=1) == labels)
        rest[condition] = {name: round(float(np.mean(hits)), 4) for name, hits in right.items()}
    return {"n": sum(len(task.speech_clips()) for task in tasks), "moments": moments, "rest": rest}


def _trained(task: FusionTask) -> nn.Module:
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task.recipe, task, Path(folder), torch.device("cpu"))
        for _ in trainer.run():
            pass
    return trainer.average


def iemocap(data: Path) -> dict[str, Any]:
    """Figures on IEMOCAP's outputs of an audio and a text model: real dialogues, six classes.

    The development rows alone: the models were fitted to the training rows. Each fifth of the
    dialogues is evaluated by a fusion (of two modalities and six classes, without quality and age)
    that was fitted to the others; intervals resample dialogues. The baseline is the mean.
    """
    with np.load(need(data / "features/iemocap_unimodal.npz"), allow_pickle=False) as file:
        rows = (file["split"] == 2) & (file["label"] >= 0)
        logits = [file[f"logits6_{name}"][rows].astype(np.float32) for name in ("audio", "text")]
        labels = file["label"][rows].astype(np.int64)
        dialogues = file["dialogue"][rows]
    ones = np.ones((len(labels), 2), np.float32)
    inputs = {
        "log_probs": np.stack([log_softmax(x) for x in logits], axis=1).astype(np.float32),
        "quality": ones,
        "age_s": 0 * ones,
        "present": ones,
    }
    _, number = np.unique(dialogues, return_inverse=True)
    fused = np.empty((len(labels), logits[0].shape[1]))
    for fold in range(FOLDS):
        held_out = number % FOLDS == fold
        network = _fitted({k: v[~held_out] for k, v in inputs.items()}, labels[~held_out])
        fused[held_out] = learned(network)({k: v[held_out] for k, v in inputs.items()})
    answers = {"audio": alone(0)(inputs), "text": alone(1)(inputs)}
    answers |= {"mean": mean(inputs), "product": product(inputs), "learned": fused}
    found = measure(labels, dialogues.astype(np.str_), answers)
    return {"n": len(labels), "dialogues": int(number.max()) + 1, "pools": found}


def _fitted(inputs: Arrays, labels: NDArray[np.int64]) -> nn.Module:
    """A fusion of few moments: fitted to all at once, its parameters held near equal treatment."""
    _, modalities, classes = inputs["log_probs"].shape
    network = FusionNetwork(modalities, classes)
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=60, line_search_fn="strong_wolfe")
    given, goal = tensors(inputs), torch.from_numpy(labels)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        size = sum((p**2).sum() for p in network.parameters())
        value = nn.functional.cross_entropy(network(*given)[0], goal) + PENALTY * size
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return network


def _print(title: str, pools: Mapping[str, Mapping[str, Any]], key: str) -> None:
    print(title)
    for name, each in pools.items():
        low, high = each["interval"][key]
        print(f"  {name:8} {each[key]:.3f} ({low:.3f}-{high:.3f})  ece {each['ece']:.3f}")


@dataclass(frozen=True)
class Arguments:
    """Compare the learned fusion with the best model alone, the mean and the product."""

    data: Path | None = None
    """Folder of the corpora; by default what MMER_DATA names."""
    weights: Path | None = None
    """Folder of the encoders; by default the shipped ones."""
    cache: Path | None = None
    """Folder for the encoders' outputs, reused by later runs."""
    json: Path | None = None
    """Where to write the figures as well."""


def _run() -> None:
    arguments = tyro.cli(Arguments)
    data = data_dir(arguments.data)
    recipe = load_recipe("fusion")
    found = {
        "paired": paired(recipe, data, arguments.weights, arguments.cache),
        "iemocap": iemocap(data),
    }
    for condition, pools in found["paired"]["moments"].items():
        _print(f"{condition}: accuracy", pools, "accuracy")
    for condition, pair in found["paired"]["rest"].items():
        print(f"{condition} left: {pair}")
    _print("IEMOCAP: weighted F1", found["iemocap"]["pools"], "weighted_f1")
    if arguments.json is not None:
        write_json(arguments.json, found)


if __name__ == "__main__":
    run_command("late_fusion", _run)
