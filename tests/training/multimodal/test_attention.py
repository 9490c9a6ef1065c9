"""What a run looked at: weights of words, pictures, modalities, and who looked at whom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")

from generated_corpora import write_meld  # noqa: E402 (after the skip)
from tiny_transformers import write_tiny  # noqa: E402

from mmer.models.networks.multimodal import MultimodalNetwork  # noqa: E402
from mmer.training.commands.report import main as report  # noqa: E402
from mmer.training.loop.trainer import Trainer, tensors  # noqa: E402
from mmer.training.multimodal.attention import examples_of  # noqa: E402
from mmer.training.multimodal.run import write_results  # noqa: E402
from mmer.training.multimodal.task import MultimodalTask  # noqa: E402
from mmer.training.recipes.recipe import Recipe  # noqa: E402
from mmer.training.report.attention import FILE, load_attention  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_meld(root / "meld", 1, 2, {"text": 1.0}, emotions=("joy", "anger"))
    for kind in ("bert", "vit"):
        write_tiny(kind, root / kind)
    return root


def recipe(data: Path, **text: object) -> Recipe:
    bert = {"model": str(data / "bert")}
    vit = {"model": str(data / "vit"), "count": 3, "hidden": 8}
    encoders = {
        "text": {"kind": "bert", "options": {**bert, **text}},
        "face": {"kind": "vit-bilstm", "options": vit},
    }
    options = {"corpus": "meld", "encoders": encoders, "fusion": "cross-modal", "width": 16}
    return Recipe("tiny <one>", "multimodal", 1, 4, 5e-3, options=options)


@pytest.mark.parametrize("pooling", ["mean", "first", "attention"])
def test_every_weight_is_told_and_nothing_is_changed(data: Path, pooling: str) -> None:
    torch.manual_seed(0)
    task = MultimodalTask(recipe(data, pooling=pooling), data, None)
    network = task.network()
    assert isinstance(network, MultimodalNetwork)
    network.eval()
    inputs, _ = next(iter(task.of("evaluated")))
    with torch.no_grad():
        before = network(*tensors(inputs))
        first, *others = examples_of(network, task, CPU, most=3)
        after = network(*tensors(inputs))
    assert len(others) == 2
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    item = task.parts.evaluated[0]
    assert first.title.startswith(f"{item.key}: ")
    assert first.words[0] == "[CLS]"
    spelt = "".join(first.words[1:-1]).replace("##", "")
    assert spelt == (item.text or "").lower().replace(" ", "")
    assert np.sum(first.token_weights) == pytest.approx(1, abs=1e-4)
    assert np.sum(first.frame_weights) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(first.frame_times_s, np.array([1, 3, 5]) * 1.6 / 6, atol=0.05)
    assert sum(first.shares.values()) == pytest.approx(1, abs=1e-4)
    looked = np.asarray(first.maps["text", "face"])
    assert looked.shape == (len(first.words), 3)
    np.testing.assert_allclose(looked.sum(axis=1), 1, atol=1e-4)
    assert set(first.maps) == {("text", "face"), ("face", "text")}


def test_an_absent_modality_has_no_share(data: Path) -> None:
    task = MultimodalTask(recipe(data), data, None)
    network = task.network()
    assert isinstance(network, MultimodalNetwork)
    task.parts.evaluated[:] = [replace(item, text="") for item in task.parts.evaluated]
    task.sets["evaluated"]["text"].present[:] = False
    (one,) = examples_of(network, task, CPU, most=1)
    assert one.shares == {"text": 0.0, "face": pytest.approx(1)}
    assert len(one.words) == 0
    assert one.maps == {}


def test_a_finished_run_is_reported_whole(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = recipe(data)
    trainer = Trainer(one, MultimodalTask(one, data, None), tmp_path)
    list(trainer.run())
    write_results(trainer, tmp_path)
    assert len(load_attention(tmp_path / FILE)) == 4
    assert json.loads((tmp_path / "figures.json").read_text())["recipe"]["task"] == "multimodal"
    report([str(tmp_path), "--resamples", "100"])
    assert capsys.readouterr().out == f"wrote {tmp_path / 'report.html'}\n"
    page = (tmp_path / "report.html").read_text()
    for told in (
        *("<h1>tiny &lt;one&gt;</h1>", "of 4 items", "options.encoders.text.kind", "MELD"),
        *("text looks at face", "tokens", "frames", "modalities", "losses, and figures"),
    ):
        assert told in page, told
    assert "Not in this folder" not in page
