"""The fusion is trained, exported and used on made-up encoders whose habits are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")
pytest.importorskip("onnx", reason="export needs onnx: pip install 'mmer-live[train]'")

from mmer.models.cards.seen import Seen
from mmer.models.errors import MmerError
from mmer.models.fusion import FusionModel, Opinion
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.training.export.encoder import export
from mmer.training.loop.trainer import Trainer
from mmer.training.recipes.recipe import Recipe, load_recipe
from mmer.training.tasks import fusion as module
from mmer.training.tasks.fusion import CORRUPTED, FusionTask, half_of
from mmer.training.tasks.fusion_outputs import EncoderOutputs

GROUPS = {
    "speech": [f"ravdess/{n}" for n in (17, 18, 19, 20)],
    "text": [f"meld/dev/{n}" for n in range(40)],
    "face": [f"fer2013/{n:016x}" for n in range(40)],
}
RIGHT = {"speech": 0.9, "text": 0.4, "face": 0.8}
"""How often each encoder is right; all are equally sure of themselves."""


def encoder_outputs(modality: str, n: int = 560) -> EncoderOutputs:
    rng = np.random.default_rng([5, MODALITIES.index(modality)])
    labels = np.arange(n) % len(EMOTIONS)
    said = np.where(rng.random(n) < RIGHT[modality], labels, rng.integers(0, 7, n))
    log_probs = np.full((n, 2, 7), np.log(0.2 / 6), np.float32)
    log_probs[np.arange(n), 0, said] = np.log(0.8)
    log_probs[:, 1] = -np.log(7)  # spoilt, it says nothing
    quality = np.tile(np.float32([1.0, 0.4]), (n, 1))
    groups = np.array([GROUPS[modality][k // 7 % len(GROUPS[modality])] for k in range(n)])
    return EncoderOutputs(
        ("whole", "noisy"), log_probs, quality, labels, groups, np.arange(n) + 10**6
    )


@pytest.fixture(scope="module")
def recipe() -> Iterator[Recipe]:
    made = {m: encoder_outputs(m) for m in MODALITIES}
    shipped = load_recipe("fusion")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read", lambda data, weights, cache, per_class: made)
        patch.setattr(module, "encoders", lambda weights: dict.fromkeys(MODALITIES, "0" * 64))
        yield replace(shipped, epochs=3, options={**shipped.options, "draws": 10_000})


def open_task(recipe: Recipe, **options: object) -> FusionTask:
    return FusionTask(replace(recipe, options={**recipe.options, **options}), Path(), None)


@pytest.fixture(scope="module")
def folder(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained fusion, exported."""
    task, folder = open_task(recipe), tmp_path_factory.mktemp("fusion")
    trainer = Trainer(recipe, task, folder)
    assert [report.epoch for report in trainer.run()] == [1, 2, 3]
    export(trainer.average, recipe, task, folder)
    return folder


@pytest.fixture
def trained(folder: Path) -> FusionModel:
    return FusionModel.load(folder)


def says(emotion: str, quality: float = 1.0) -> Opinion:
    probs = np.full(7, 0.2 / 6)
    probs[EMOTIONS.index(emotion)] = 0.8
    return Opinion(np.log(probs), quality, 0.0)


def test_it_learns_whom_to_believe(trained: FusionModel) -> None:
    for better, worse in (("speech", "text"), ("face", "text")):
        log_probs, shares = trained.fuse({better: says("joy"), worse: says("anger")})
        assert EMOTIONS[int(log_probs.argmax())] == "joy"
        assert shares[better] > shares[worse]
    sure = np.exp(trained.fuse({m: says("joy") for m in ("speech", "face")})[0].max())
    alone = [np.exp(trained.fuse({m: says("joy")})[0].max()) for m in ("speech", "face")]
    assert sure > max(alone)
    # a neutral face or neutral words mask more often than a neutral voice
    against = {m: trained.fuse({m: says("neutral")})[0] for m in MODALITIES}
    doubt = {m: float(1 - np.exp(logs[EMOTIONS.index("neutral")])) for m, logs in against.items()}
    assert doubt["speech"] < doubt["face"] < doubt["text"]


def test_the_card_tells_what_it_is_and_what_it_saw(trained: FusionModel, folder: Path) -> None:
    card = trained.card
    assert card.modality == "fusion"
    assert [d.data for d in card.conditions][:3] == [
        CORRUPTED,
        "voice and words",
        "voice and face",
    ]
    accuracy = {d.data: d.accuracy for d in card.conditions}
    assert card.development.accuracy > max(accuracy["voice alone"], accuracy["face alone"])
    assert card.development.ece < 0.1
    assert card.preprocessing["modalities"] == list(MODALITIES)
    assert [t.corpus for t in card.training] == ["ravdess", "meld", "fer2013"]
    assert any("paired by label" in note for note in card.notes)
    seen = Seen.load(folder / card.seen)
    assert {"ravdess/17", "ravdess/18"} <= seen.groups
    assert not {"ravdess/19", "ravdess/20"} & seen.groups
    assert len(seen.files) == 280
    assert len(seen.images) > 0 < len(seen.texts)


def test_the_halves_share_nobody(recipe: Recipe) -> None:
    for modality in MODALITIES:
        whole = encoder_outputs(modality)
        one, two = (half_of(whole, half) for half in (0, 1))
        assert len(one) + len(two) == len(whole)
        assert not set(one.groups) & set(two.groups)
    first, second = (open_task(recipe, half=half) for half in (0, 1))
    assert not first.seen().groups & second.seen().groups
    assert set(first.development_groups()) == {"ravdess/19", "ravdess/20"}
    assert len(set(first.speech_clips().tolist())) > 200


def test_development_is_the_same_each_time_and_its_conditions_hold(recipe: Recipe) -> None:
    task = open_task(recipe)
    for condition in (None, *task.conditions):
        ((inputs, labels),) = task.development(condition)
        ((again, _),) = task.development(condition)
        assert all(np.array_equal(array, again[name]) for name, array in inputs.items())
        assert inputs["present"].any(axis=1).all()
        assert len(labels) == len(inputs["present"]) == len(task.speech_clips(condition))
    ((inputs, _),) = task.development("voice alone")
    assert inputs["present"].sum(axis=0).tolist() == [2100, 0, 0]


def test_clean_and_corrupted_moments_are_the_same_even_where_one_has_nothing_left(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temperature and threshold are fitted to both, by item."""
    assert [c for c in FusionTask.conditions if open_task(recipe).same_items(c)] == [CORRUPTED]
    made = {m: encoder_outputs(m) for m in MODALITIES}
    for k, outputs in enumerate(made.values()):
        outputs.quality[:, 1] = 0.0  # degraded, it is no evidence
        outputs.quality[k::3, 0] = 0.0
    monkeypatch.setattr(module, "read", lambda data, weights, cache, per_class: made)
    task = open_task(recipe)
    ((inputs, labels),) = task.development()
    ((corrupted, again),) = task.development(CORRUPTED)
    assert 0 < len(labels) < 2100
    np.testing.assert_array_equal(labels, again)
    assert len(task.development_groups()) == len(labels)
    for condition in (None, CORRUPTED):
        assert len(task.speech_clips(condition)) == len(labels)
    for moments in (inputs, corrupted):
        assert moments["present"].any(axis=1).all()


def test_a_model_for_the_rest_never_meets_the_others(recipe: Recipe) -> None:
    task = open_task(recipe).without_others(("speech", "text"))
    for inputs, targets in task.batches(np.random.default_rng(0)):
        assert not inputs["present"][:, MODALITIES.index("face")].any()
        assert targets.shape == (len(inputs["present"]), 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"half": 2}, "half must be 0 or 1"),
        ({"modalities": ["smell"]}, "modalities must be of speech, text, face"),
        ({"life": {"masked": {"face": 2}}}, r"masked\.face must be 0\.\.1"),
        ({"life": {"spoiled": 0.1}}, "spoiled"),
        ({"weight": "x"}, "weight"),
    ],
)
def test_wrong_options_are_refused(
    recipe: Recipe, options: dict[str, object], message: str
) -> None:
    with pytest.raises(MmerError, match=message):
        open_task(recipe, **options)
