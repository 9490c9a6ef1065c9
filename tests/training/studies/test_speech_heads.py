"""The study of the speech network's heads: its cache, and every variant on planted statistics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

from mmer.models.labels import EMOTIONS  # noqa: E402 (after the skip)
from mmer.training.recipes.recipe import Recipe  # noqa: E402
from mmer.training.studies.speech_heads import VARIANTS, cache_name, train  # noqa: E402
from mmer.training.tasks.speech import SpeechTask  # noqa: E402

OPTIONS: dict[str, Any] = {"shares": {"ravdess": 2, "emodb": 1}, "blocks": 1, "examples": 32}


def named(corpora: Path, **options: Any) -> str:
    recipe = Recipe("tiny", "speech", 1, 8, 1e-3, options=OPTIONS | options)
    return cache_name(SpeechTask(recipe, corpora, None), recipe)


def test_another_recipe_filter_bank_or_clip_is_not_served_from_the_cache(corpora: Path) -> None:
    recipe = Recipe("tiny", "speech", 1, 8, 1e-3, options=OPTIONS)
    task = SpeechTask(recipe, corpora, None)
    name = cache_name(task, recipe)
    assert name == named(corpora)
    assert name != named(corpora, blocks=2)
    assert name != named(corpora, shares={"ravdess": 2})
    task.mel = replace(task.mel, range_db=60.0)
    assert cache_name(task, recipe) != name
    task = SpeechTask(recipe, corpora, None)
    task.data.development = task.data.development[1:]
    assert cache_name(task, recipe) != name


class Planted:
    """Two corpora of statistics (N, 12) in which component k stands for class k."""

    def __init__(self) -> None:
        self.shares = {"one": 2.0, "two": 1.0}

    def of(self, corpora: list[str]) -> tuple[Any, Any]:
        labels = np.arange(70 * len(corpora)) % len(EMOTIONS)
        inputs = np.random.default_rng(0).normal(0, 0.1, (len(labels), 12))
        inputs[np.arange(len(labels)), labels] += 1
        wanted = np.eye(len(EMOTIONS))[labels]
        targets = np.concatenate([wanted, np.ones_like(wanted)], axis=1)
        return torch.tensor(inputs).float(), torch.tensor(targets).float()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns_what_is_planted(name: str) -> None:
    pools: Any = Planted()
    inputs, targets = pools.of(["one", "two"])
    answer = train(pools, ["one", "two"], VARIANTS[name], steps=100, batch=32)
    right = answer(inputs.numpy()).argmax(axis=1) == targets[:, :7].argmax(dim=1).numpy()
    assert right.mean() > 0.3  # chance is 0.14
