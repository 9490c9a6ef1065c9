"""Sessions are made of a network's answers, and the learned baseline gains on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

import torch

from mmer.models.errors import MmerError
from mmer.models.networks.shipped.face_baseline import FaceBaselineNetwork
from mmer.models.prediction import log_softmax
from mmer.training.recipes.recipe import load_recipe
from mmer.training.tasks.face_baseline import (
    FaceBaselineOptions,
    FaceBaselineTask,
    Sessions,
    Shown,
)


def shown(n: int = 210) -> Shown:
    """A network that leans to neutral; expressions are weak, people differ."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 7
    logits = 3.0 * np.eye(7)[labels] + rng.normal(0, 1.0, (n, 7)) + 2.0 * np.eye(7)[4]
    return Shown(log_softmax(logits), labels, np.arange(n, dtype=np.uint64))


def test_every_emotion_is_asked_for_as_often_and_no_session_begins_empty() -> None:
    made = shown()
    sessions = Sessions(made, FaceBaselineOptions())
    inputs, labels, rows = sessions.draw(70, np.random.default_rng(0))
    assert (made.labels[rows] == labels).all()
    assert np.bincount(labels).tolist() == [10] * 7
    assert inputs["log_probs"].shape == inputs["mean"].shape == inputs["probs"].shape == (70, 7)
    assert inputs["probs"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert 0 < inputs["progress"].min() < inputs["progress"].max() < 1
    assert np.exp(inputs["log_probs"]).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_an_emotion_without_an_image_is_one_line() -> None:
    some = shown()
    kept = some.labels != 2
    less = Shown(some.log_probs[kept], some.labels[kept], some.keys[kept])
    with pytest.raises(MmerError, match="no clear image of fear"):
        Sessions(less, FaceBaselineOptions())


def test_the_network_begins_with_the_answer_less_its_mean_and_learns() -> None:
    torch.manual_seed(0)
    sessions, network = Sessions(shown(), FaceBaselineOptions()), FaceBaselineNetwork()
    rng = np.random.default_rng(1)

    def batch(n: int) -> tuple[list[torch.Tensor], torch.Tensor]:
        inputs, labels, _ = sessions.draw(n, rng)
        return [torch.from_numpy(a) for a in inputs.values()], torch.from_numpy(labels)

    inputs, labels = batch(700)
    x, mean, _, p = inputs
    (first,) = network(*inputs)
    assert torch.allclose(first, (1 - p[:, None]) * x + p[:, None] * (x - mean), atol=1e-5)
    optimizer = torch.optim.Adam(network.parameters(), 0.03)
    for _ in range(40):
        drawn, wanted = batch(128)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(*drawn)[0], wanted).backward()
        optimizer.step()
    (learned,) = network(*inputs)
    before, after = ((a.argmax(dim=1) == labels).float().mean() for a in (x, learned))
    assert after > before + 0.1


def test_the_task_is_of_the_network_that_answered(corpora: Path) -> None:
    recipe = load_recipe("face-baseline")
    options = {**recipe.options, "per_class": 2, "frames": 2, "draws": 64}
    task = FaceBaselineTask(replace(recipe, batch=32, options=options), corpora, None)
    ((inputs, targets), _) = task.batches(np.random.default_rng(0))
    assert targets.shape == (32, 7)
    assert tuple(inputs) == ("log_probs", "mean", "probs", "progress")
    assert len(task.seen().images) == task.training_data()[0].items == 14
    assert task.preprocessing()["prior_s"] == 12.0
    assert len(task.preprocessing()["encoders"]["face"]) == 64
    ((_, labels),) = task.development()
    assert len(labels) == len(task.development_groups())
    assert len(set(task.development_groups())) <= 20
    with pytest.raises(MmerError, match="quietest must be"):
        FaceBaselineOptions(quietest=2)
