from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

import torch

from mmer.models.errors import MmerError
from mmer.models.networks.shipped.face import FaceNetwork
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks import dlib_resnet
from mmer.training.tasks.face import CONDITIONS, TWINS, FaceTask

OPTIONS: dict[str, Any] = {
    "left_eye": [0.3, 0.4],
    "right_eye": [0.7, 0.4],
    "no_faces": 4,
    "usable_below": 0.25,
}


@pytest.fixture(scope="module", autouse=True)
def random_weights() -> Iterator[None]:
    """In place of the pretrained ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dlib_resnet, "model_file", lambda: Path("no such file"))
        patch.setattr(dlib_resnet, "fill", lambda network, path: None)
        yield


@pytest.fixture(scope="module")
def task(corpora: Path) -> FaceTask:
    return FaceTask(Recipe("face", "face", 1, 16, 1e-3, options=OPTIONS), corpora)


def test_a_batch_has_faces_first_and_then_what_is_none(task: FaceTask) -> None:
    batches = list(task.batches(np.random.default_rng(0)))
    assert len(batches) == task.batches_per_epoch > 1
    for inputs, targets in batches:
        assert inputs["image"].shape == (20, 1, 44, 44)
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
    torch.manual_seed(0)
    network = task.network().eval()
    image = torch.rand(3, 1, 48, 48) * 100
    with torch.inference_mode():
        ours, theirs, brighter = network(image), network(image.flip(3)), network(1.5 * image + 40)
    assert [tuple(o.shape) for o in ours] == [(3, 7), (3, 128), (3,)]
    assert len(task.outputs) == len(ours)
    for a, b, c in zip(ours, theirs, brighter, strict=True):
        largest = float(a.abs().max())
        assert torch.allclose(a, b, atol=1e-4 * largest)
        assert torch.allclose(a, c, atol=0.05 * largest)


@pytest.mark.parametrize("condition", [None, *CONDITIONS])
def test_each_condition_is_the_same_pictures_in_another_state(
    task: FaceTask, condition: str | None
) -> None:
    ((plain, labels),) = task.development()
    ((inputs, others),) = task.development(condition)
    if condition == TWINS:
        assert len(others) == len(labels) + 1
        assert not task.same_items(condition)
        return
    assert condition is None or task.same_items(condition)
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


def test_the_mean_of_the_teachers_is_the_goal_of_a_taught_run(corpora: Path) -> None:
    recipe = Recipe(
        "face",
        "face",
        1,
        16,
        1e-3,
        start=["a", "b"],
        class_balance=0.3,
        options=OPTIONS | {"taught": 0.7, "taught_balance": 0.4},
    )
    taught = FaceTask(recipe, corpora)
    teachers = [FaceNetwork(3), FaceNetwork(4)]
    weights = [teacher.state_dict() for teacher in teachers]
    assert taught.joined(weights) is weights[0]
    inputs, targets = next(iter(taught.batches(np.random.default_rng(0))))
    assert targets.shape == (20, 15)
    image = torch.from_numpy(inputs["image"][:16])
    with torch.inference_mode():
        logits = torch.stack([teacher.eval()(image)[0] for teacher in teachers]).mean(dim=0)
    logits = logits + 0.1 * torch.from_numpy(taught.class_shares).log()
    np.testing.assert_allclose(targets[:16, 8:], logits.softmax(dim=1), atol=1e-5)
    assert not targets[16:, 8:].any()

    answers = torch.randn(20, 7, requires_grad=True)
    goal = torch.from_numpy(targets)
    weighted = torch.linspace(0.5, 1.5, 7)
    loss = taught.loss((answers, torch.zeros(20, 2), torch.zeros(20)), goal, weighted, 0.0)
    log_probs = answers[:16].log_softmax(dim=1)
    by_votes = -(weighted * goal[:16, :7] * log_probs).sum(dim=1).mean()
    by_teachers = -(goal[:16, 8:] * log_probs).sum(dim=1).mean()
    expected = 0.3 * by_votes + 0.7 * by_teachers + 0.3 * np.log(2)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize(
    ("start", "taught", "message"),
    [([], 0.5, "taught needs teachers"), (["a"], 1.5, "taught must be 0..1")],
)
def test_a_taught_run_without_teachers_is_refused(
    corpora: Path, start: list[str], taught: float, message: str
) -> None:
    options = OPTIONS | {"taught": taught}
    with pytest.raises(MmerError, match=message):
        FaceTask(Recipe("face", "face", 1, 16, 1e-3, start=start, options=options), corpora)


def test_a_teacher_that_is_no_face_network_is_refused(corpora: Path) -> None:
    options = OPTIONS | {"taught": 0.5}
    task = FaceTask(Recipe("face", "face", 1, 16, 1e-3, start=["a"], options=options), corpora)
    with pytest.raises(MmerError, match="a teacher is not a face run"):
        task.joined([torch.nn.Linear(2, 2).state_dict()])
