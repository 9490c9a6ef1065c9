from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

import torch

from mmer.models.errors import MmerError
from mmer.models.networks.shipped.face_pair import FacePair
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks import dlib_resnet
from mmer.training.tasks.face import CONDITIONS, TWINS, FaceTask

OPTIONS: dict[str, Any] = {
    "left_eye": [0.3, 0.4],
    "right_eye": [0.7, 0.4],
    "widths": [8, 8, 16],
    "no_faces": 4,
    "usable_below": 0.25,
}


@pytest.fixture(scope="module")
def task(corpora: Path) -> FaceTask:
    return FaceTask(Recipe("face", "face", 1, 16, 1e-3, options=OPTIONS), corpora)


def test_a_batch_has_faces_first_and_then_what_is_none(task: FaceTask) -> None:
    batches = list(task.batches(np.random.default_rng(0)))
    assert len(batches) == task.batches_per_epoch > 1
    for inputs, targets in batches:
        assert inputs["image"].shape == (20, 1, 40, 40)
        assert targets.dtype == np.float32
        assert targets[:, -1].tolist() == [1.0] * 16 + [0.0] * 4
        assert targets[:16, :-1].sum(axis=1) == pytest.approx(1)
        assert not targets[16:, :-1].any()


def test_an_epoch_takes_no_picture_twice_and_is_repeatable(task: FaceTask) -> None:
    first, again = ([t for _, t in task.batches(np.random.default_rng(5))] for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_only_faces_teach_expressions_and_everything_teaches_usable(task: FaceTask) -> None:
    targets = torch.zeros(3, 8)
    targets[0, 3] = targets[0, -1] = 1
    logits = torch.randn(3, 7, requires_grad=True)
    usable = torch.zeros(3, requires_grad=True)
    task.loss((logits, torch.zeros(3, 2), usable), targets, torch.ones(7), 0.0).backward()
    assert logits.grad is not None
    assert usable.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1:].abs().sum() == 0
    assert usable.grad.sign().tolist() == [-1, 1, 1]


def test_the_network_gives_what_the_task_names_the_same_for_a_mirror_image(
    task: FaceTask,
) -> None:
    network = task.network().eval()
    image = torch.rand(3, 1, 48, 48) * 255
    ours, theirs = network(image), network(image.flip(3))
    assert [tuple(o.shape) for o in ours] == [(3, 7), (3, 16), (3,)]
    assert len(task.outputs) == len(ours)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("condition", [None, *CONDITIONS])
def test_each_condition_is_the_same_pictures_in_another_state(
    task: FaceTask, condition: str | None
) -> None:
    ((plain, labels),) = task.development()
    ((inputs, others),) = task.development(condition)
    if condition == TWINS:
        assert len(others) == len(labels) + 1
        return
    assert (others == labels).all()
    assert inputs["image"].shape == plain["image"].shape
    assert inputs["image"].dtype == np.float32
    changed = (inputs["image"] != plain["image"]).mean()
    assert changed == 0 if condition is None else changed > 0.3
    assert len(task.development_groups()) == len(set(task.development_groups())) == len(labels)


def test_what_was_seen_are_pictures_alone(task: FaceTask) -> None:
    seen = task.seen()
    assert not seen.groups
    assert len(seen.files) == len(seen.texts) == 0
    assert len(seen.images) == task.training_data()[0].items


def test_the_card_says_below_what_there_is_no_face(task: FaceTask) -> None:
    assert task.preprocessing()["usable_below"] == 0.25
    assert task.preprocessing()["input"]["size"] == 48


@pytest.fixture
def pair(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> FaceTask:
    """A task whose second network has random weights in place of the pretrained ones."""
    monkeypatch.setattr(dlib_resnet, "model_file", lambda: Path("no such file"))
    monkeypatch.setattr(dlib_resnet, "fill", lambda network, path: None)
    options = OPTIONS | {
        "pair": True,
        "second_side": 44,
        "second_frozen": 3,
        "second_share": 0.4,
        "tuned_rate": 0.5,
    }
    recipe = Recipe("face", "face", 1, 16, 1e-3, start=["face-small"], options=options)
    return FaceTask(recipe, corpora)


def test_a_pair_answers_with_the_mean_of_both_and_trains_the_second(pair: FaceTask) -> None:
    network = pair.network()
    assert isinstance(network, FacePair)
    image = torch.rand(2, 1, 48, 48) * 255
    with torch.inference_mode():
        logits, embedding, usable = network.eval()(image)
        first, second = network.first(image), network.second(image)
    assert embedding.shape == (2, 16 + 128)
    assert torch.allclose(logits, 0.6 * first[0] + 0.4 * second[0], atol=1e-5)
    assert torch.allclose(usable, 0.6 * first[2] + 0.4 * second[2], atol=1e-5)
    inputs, targets = next(iter(pair.batches(np.random.default_rng(0))))
    assert inputs["image"].shape == (20, 1, 44, 44)
    outputs = network.train()(torch.from_numpy(inputs["image"][:4]))
    pair.loss(outputs, torch.from_numpy(targets[:4]), torch.ones(7), 0.0).backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None}
    groups = pair.parameter_groups(network)
    assert sum(len(group["params"]) for group in groups) == len(learning)
    assert {name.split(".")[0] for name in learning} == {"second"}
    assert {"second.head.weight", "second.body.blocks.9.second.bias"} <= learning
    assert not learning & {"second.body.stem.weight", "second.body.blocks.0.first.weight"}
    assert [group.get("scale", 1.0) for group in groups] == [1.0, 0.5]


def test_a_pair_begins_with_the_weights_of_its_first_network(
    pair: FaceTask, task: FaceTask
) -> None:
    weights = task.network().state_dict()
    network = pair.network()
    network.load_state_dict(pair.joined([weights]))
    for name, value in weights.items():
        assert torch.equal(network.state_dict()[f"first.{name}"], value)
    further = pair.network().state_dict()
    assert pair.joined([further]) is further


def test_a_pair_without_its_first_network_is_refused(corpora: Path) -> None:
    recipe = Recipe("face", "face", 1, 16, 1e-3, options=OPTIONS | {"pair": True})
    with pytest.raises(MmerError, match="a pair must start from one run"):
        FaceTask(recipe, corpora)
