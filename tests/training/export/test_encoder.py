"""What is written after training: the network, what it has seen, a card that is true of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")
pytest.importorskip("onnx", reason="export needs onnx: pip install 'mmer-live[train]'")

import onnx
import torch
from tiny_task import NOISY, TinyTask, tiny_recipe

from mmer.models.cards.card import Card, load_card
from mmer.models.cards.seen import Seen
from mmer.models.checksum import sha256_of
from mmer.models.engine import open_engine
from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.export.card import shown_failures
from mmer.training.export.encoder import export
from mmer.training.export.onnx_file import write_onnx
from mmer.training.export.parity import compare, some_items
from mmer.training.loop.trainer import Trainer, development_logits
from mmer.training.metrics.calibration import THRESHOLDS
from mmer.training.metrics.figures import expected_calibration_error, log_softmax
from mmer.training.tasks.task import Arrays

PRECISIONS = ["float32", "int8"]


@pytest.fixture(scope="module", params=PRECISIONS)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Card, Trainer, TinyTask, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    task = TinyTask(width=512, items=700)
    trainer = Trainer(tiny_recipe(precision=request.param, epochs=2), task, folder)
    list(trainer.run())
    return export(trainer.average, trainer.recipe, task, folder), trainer, task, folder


def test_the_card_is_of_the_file_and_is_what_was_saved(
    exported: tuple[Card, Trainer, TinyTask, Path],
) -> None:
    card, _, _, folder = exported
    assert load_card(folder / "tiny.json") == card
    assert card.sha256 == sha256_of(folder / "tiny.onnx")
    assert card.intended_use
    assert card.unintended_use
    assert card.machine
    assert card.latency_ms is not None
    assert 0 < card.latency_ms < 1000
    assert {p.name for p in folder.iterdir()} == {
        "checkpoint.pt",
        "curves.csv",
        "curves.png",
        "tiny.json",
        "tiny.onnx",
        "tiny.seen.npz",
    }


def test_what_the_weights_have_seen_lies_beside_the_card(
    exported: tuple[Card, Trainer, TinyTask, Path],
) -> None:
    card, _, task, folder = exported
    assert card.seen_sha256 == sha256_of(folder / card.seen)
    seen = Seen.load(folder / card.seen)
    assert seen.groups == task.seen().groups
    assert seen.files.tolist() == [1, 2, 3]


def test_the_network_is_one_file_of_the_recipes_precision(
    exported: tuple[Card, Trainer, TinyTask, Path],
) -> None:
    card, _, _, folder = exported
    graph = onnx.load(folder / card.file, load_external_data=False).graph
    assert all(t.data_location != onnx.TensorProto.EXTERNAL for t in graph.initializer)
    kinds = {t.data_type for t in graph.initializer if len(t.dims) == 2 and 1 not in t.dims}
    eight = {onnx.TensorProto.INT8}
    assert kinds == (eight if card.precision == "int8" else {onnx.TensorProto.FLOAT})
    assert [o.name for o in graph.output] == ["logits", "embedding"]


def test_parity_is_of_500_items_and_within_bounds(
    exported: tuple[Card, Trainer, TinyTask, Path],
) -> None:
    card, trainer, task, folder = exported
    parity = card.parity
    assert parity is not None
    assert parity.items == 500
    assert 0 < parity.float32_logit < 1e-4
    assert parity.float32_agreement == 1
    if card.precision == "float32":
        assert parity.shipped_logit == parity.float32_logit
    else:
        assert parity.float32_logit < parity.shipped_logit < 0.5
        assert parity.shipped_agreement > 0.98
    engine = open_engine(folder / card.file, "cpu")
    gaps = []
    for inputs in some_items(task):
        with torch.no_grad():
            ours = trainer.average(torch.from_numpy(inputs["x"]))[0].numpy()
        gaps.append(np.abs(ours - engine.run(inputs)["logits"]).max())
    assert max(gaps) == pytest.approx(parity.shipped_logit, rel=0.06)  # two digits on the card


def test_the_figures_are_the_networks_and_its_temperature_calibrates_it(
    exported: tuple[Card, Trainer, TinyTask, Path],
) -> None:
    card, trainer, task, _ = exported
    logits, labels = development_logits(trainer.average, task)
    right = logits.argmax(axis=1) == labels
    d = card.development
    assert d.n == 700
    assert d.accuracy == pytest.approx(right.mean(), abs=0.01)
    assert set(d.recall) == set(EMOTIONS)
    assert d.recall["joy"] == pytest.approx(right[labels == 3].mean(), abs=0.04)
    assert [c.data for c in card.conditions] == [NOISY]
    assert card.conditions[0].accuracy < d.accuracy
    # the temperature serves the clean and the noisy items together; the error is cross-fitted
    fitted = expected_calibration_error(log_softmax(logits / card.temperature), labels)
    assert d.ece == pytest.approx(fitted, abs=0.03)
    assert "cross-fitted" in d.note
    assert "2 states" in d.note


def test_a_state_that_no_item_can_be_in_is_left_out(tmp_path: Path) -> None:
    class Quiet(TinyTask):
        conditions = ("silence", NOISY)

        def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
            for inputs, labels in super().development(condition):
                n = 0 if condition == "silence" else len(labels)
                yield {"x": inputs["x"][:n]}, labels[:n]

    task = Quiet()
    card = export(task.network(), tiny_recipe(), task, tmp_path)
    assert [c.data for c in card.conditions] == [NOISY]
    assert "NaN" not in (tmp_path / "tiny.json").read_text()


def test_the_curve_justifies_the_threshold(
    exported: tuple[Card, Trainer, TinyTask, Path],
) -> None:
    card = exported[0]
    assert [c.threshold for c in card.coverage] == list(THRESHOLDS)
    assert [c.coverage for c in card.coverage] == sorted(
        (c.coverage for c in card.coverage), reverse=True
    )
    chosen = next(c for c in card.coverage if c.threshold == card.abstain_below)
    assert chosen.withheld_accuracy is None or chosen.withheld_accuracy <= 1 / 3
    assert "one time in three" in card.abstention


def test_items_are_spread_over_the_fold() -> None:
    task = TinyTask(items=120)
    rows = np.concatenate([i["x"] for i, _ in task.development()])
    few = np.concatenate([i["x"] for i in some_items(task, 5)])
    assert (few == rows[[0, 30, 60, 89, 119]]).all()
    assert len(list(some_items(task))) == 120


def test_a_network_that_answers_otherwise_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TinyTask()
    network, other = task.network(), task.network()
    samples = [inputs for inputs, _ in task.development()][:3]
    ours, theirs = (
        write_onnx(n, samples, task.dynamic_axes(), task.outputs, tmp_path / f)
        for n, f in ((network, "a.onnx"), (other, "b.onnx"))
    )
    with pytest.raises(MmerError, match="logits differ from torch's by"):
        compare(network, task, theirs, ours)
    with pytest.raises(MmerError, match=r"agrees with the trained one on .* less than 98%"):
        compare(network, task, ours, theirs)
    monkeypatch.setattr("mmer.training.export.parity.AGREEMENT", 1.1)
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(MmerError, match="agrees with"):
        export(network, tiny_recipe(), task, folder)
    assert not list(folder.iterdir())


def test_weak_classes_and_groups_are_told() -> None:
    labels = np.array([1] * 40 + [3] * 40)
    answers = np.array([0] * 30 + [1] * 10 + [3] * 40)
    log_probs = np.log(np.eye(7)[answers] * 0.9 + 0.01)
    lines = shown_failures(log_probs, labels, ["a/1"] * 40 + ["a/2"] * 40)
    assert lines == (
        "disgust: of 40 development items it finds 25% and takes 75% for anger.",
        "Accuracy differs from one to another of 2 development groups: 25% for a/1, 100% for the "
        "best.",
    )
    assert not shown_failures(log_probs, answers, [str(k) for k in range(80)])


def test_a_condition_with_other_items_has_no_part_in_the_temperature(tmp_path: Path) -> None:
    class Other(TinyTask):
        conditions = ("the first fifty",)

        def development(self, condition: str | None = None):  # type: ignore[no-untyped-def]
            batches = list(super().development())
            return iter(batches[:1] if condition else batches)

        def same_items(self, condition: str) -> bool:
            return False

    class Alone(TinyTask):
        conditions = ()

    network = TinyTask().network()
    card = export(network, tiny_recipe(), Other(), tmp_path)
    alone = export(network, tiny_recipe(), Alone(), tmp_path)
    assert [c.n for c in card.conditions] == [50]
    assert card.temperature == alone.temperature
    assert card.development == alone.development
    assert card.coverage == alone.coverage


def test_equal_labels_do_not_make_the_same_items(tmp_path: Path) -> None:
    class Apart(TinyTask):
        def same_items(self, condition: str) -> bool:
            return False

    network = TinyTask().network()
    same, apart = (export(network, tiny_recipe(), t, tmp_path) for t in (TinyTask(), Apart()))
    assert "2 states" in same.development.note
    assert "states" not in apart.development.note
    assert same.temperature != apart.temperature


@pytest.mark.parametrize("rows", [slice(40), slice(None, None, -1)])
def test_a_condition_that_lacks_an_item_is_refused(tmp_path: Path, rows: slice) -> None:
    class Fewer(TinyTask):
        def development(self, condition: str | None = None) -> Iterator[tuple[Arrays, np.ndarray]]:
            for inputs, labels in super().development(condition):
                some = rows if condition else slice(None)
                yield {"x": inputs["x"][some]}, labels[some]

    task = Fewer()
    with pytest.raises(MmerError, match="not the 120 of the development data"):
        export(task.network(), tiny_recipe(), task, tmp_path)
    assert not list(tmp_path.iterdir())
