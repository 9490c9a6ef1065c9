"""Runs of an ablation as tasks of a Ray cluster, each in its own folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer.models.errors import MmerError
from mmer.realtime.batch.ray_data import LEAST_CPUS, cluster
from mmer.training.commands.train import train
from mmer.training.recipes.recipe import Recipe


@dataclass(frozen=True)
class TrainingRun:
    """A run to train, or to go on with: as ``train`` takes it."""

    recipe: Recipe
    data: Path
    folder: Path
    cache: Path | None
    resume: bool


def train_on_ray(address: str, runs: Sequence[TrainingRun]) -> None:
    """Train ``runs`` side by side, each with its recipe's threads and, where there are some, a GPU.

    Data, caches and output lie under the same paths on every machine of the cluster at ``address``
    ("local": one of this machine). Raises MmerError where a run does; the others are trained first.
    """
    if not runs:
        return
    with cluster(address, LEAST_CPUS) as ray:
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        task = ray.remote(max_retries=1)(_train)
        waiting = [
            task.options(num_cpus=max(1, run.recipe.threads), num_gpus=gpus).remote(run)
            for run in runs
        ]
        problems = []
        for run, reference in zip(runs, waiting, strict=True):
            if problem := ray.get(reference):
                problems.append(f"{run.folder}: {problem}")
    if problems:
        raise MmerError("\n".join(problems))


def _train(run: TrainingRun) -> str:
    """Train one run in a worker; what was wrong with it, or ""."""
    try:
        train(run.recipe, run.data, run.folder, run.cache, run.resume)
    except MmerError as error:
        return str(error)
    return ""
