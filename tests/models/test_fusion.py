"""The learned fusion as it is shipped: what it must do whatever it has learnt."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import load_card, weights_dir
from mmer.models.checksum import sha256_of
from mmer.models.errors import MmerError
from mmer.models.fusion import CONTEXT, FusionModel, Opinion, stacked
from mmer.models.labels import EMOTIONS, MODALITIES

FLAT = np.full(7, -np.log(7))
ANSWERS = [m for n in (1, 2, 3) for m in itertools.combinations(MODALITIES, n)]


@pytest.fixture(scope="module")
def model() -> FusionModel:
    return FusionModel.load()


def says(emotion: str, p: float = 0.8, quality: float = 1.0, age_s: float = 0.0) -> Opinion:
    probs = np.full(7, (1 - p) / 6)
    probs[EMOTIONS.index(emotion)] = p
    return Opinion(np.log(probs), quality, age_s)


@pytest.mark.parametrize("present", ANSWERS)
def test_any_choice_of_modalities_gives_a_distribution_and_shares(
    model: FusionModel, present: tuple[str, ...]
) -> None:
    log_probs, shares = model.fuse({m: says("joy") for m in present})
    assert np.exp(log_probs).sum() == pytest.approx(1.0)
    assert EMOTIONS[int(log_probs.argmax())] == "joy"
    assert tuple(shares) == present
    assert sum(shares.values()) == pytest.approx(1.0)
    assert all(share > 0 for share in shares.values())


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_alone_a_modality_that_is_sure_gives_its_own_label(
    model: FusionModel, modality: str, emotion: str
) -> None:
    log_probs, shares = model.fuse({modality: says(emotion)})
    assert EMOTIONS[int(log_probs.argmax())] == emotion
    assert shares == {modality: pytest.approx(1.0)}


@pytest.mark.parametrize("present", ANSWERS)
def test_flat_opinions_stay_flat(model: FusionModel, present: tuple[str, ...]) -> None:
    log_probs, _ = model.fuse({m: Opinion(FLAT, 1.0, 0.0) for m in present})
    np.testing.assert_allclose(log_probs, FLAT, atol=1e-5)


def test_a_flat_opinion_changes_nothing(model: FusionModel) -> None:
    alone, _ = model.fuse({"speech": says("fear")})
    beside, shares = model.fuse({"speech": says("fear"), "face": Opinion(FLAT, 1.0, 0.0)})
    np.testing.assert_allclose(alone, beside, atol=1e-5)
    assert shares["speech"] > 0.9


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_better_and_the_fresher_the_surer(model: FusionModel, modality: str) -> None:
    def confidence(quality: float, age_s: float) -> float:
        return float(model.fuse({modality: says("anger", 0.8, quality, age_s)})[0].max())

    by_quality = [confidence(q, 0.0) for q in (0.05, 0.2, 0.5, 1.0)]
    assert by_quality == sorted(by_quality)
    by_age = [confidence(1.0, age) for age in (0.0, 0.5, 2.0, 4.0)]
    assert by_age == sorted(by_age, reverse=True)


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_modality_rules_out_what_another_is_sure_of(model: FusionModel, modality: str) -> None:
    others = {m: says("sadness", 0.95) for m in MODALITIES if m != modality}
    log_probs, _ = model.fuse(
        {**others, modality: Opinion(np.log([0.9999, *[1.7e-5] * 6]), 1.0, 0)}
    )
    assert np.exp(log_probs[EMOTIONS.index("sadness")]) > 0.05


def test_what_is_absent_says_nothing() -> None:
    inputs = stacked({"text": says("joy", quality=0.5, age_s=2.0)})
    assert inputs["present"].tolist() == [[0, 1, 0]]
    assert inputs["quality"].tolist() == [[0, 0.5, 0]]
    assert inputs["age_s"].tolist() == [[0, 2, 0]]
    np.testing.assert_allclose(inputs["log_probs"][0, 0], FLAT, atol=1e-6)


def test_nothing_and_strangers_are_refused(model: FusionModel) -> None:
    with pytest.raises(ValueError, match="opinions of some of"):
        model.fuse({})
    with pytest.raises(ValueError, match="smell"):
        model.fuse({"smell": says("disgust")})


def test_it_is_small_and_fast(model: FusionModel) -> None:
    assert (weights_dir() / model.card.file).stat().st_size < 1_000_000
    opinions = {m: says("joy") for m in MODALITIES}
    took = []
    for _ in range(200):
        begun = time.perf_counter()
        model.fuse(opinions)
        took.append(time.perf_counter() - begun)
    assert np.median(took) < 0.001


def test_it_was_trained_with_the_encoders_that_are_shipped(model: FusionModel) -> None:
    encoders = {m: load_card(weights_dir() / f"{m}.json").sha256 for m in MODALITIES}
    assert model.card.setting("encoders") == encoders, "run `mmer-train fusion` again"


def test_a_damaged_network_is_refused(tmp_path: Path) -> None:
    for name in ("fusion.json", "fusion.onnx"):
        shutil.copy(weights_dir() / name, tmp_path)
    (tmp_path / "fusion.onnx").write_bytes(b"something else")
    with pytest.raises(MmerError, match="damaged"):
        FusionModel.load(tmp_path)
    card = json.loads((tmp_path / "fusion.json").read_text())
    (tmp_path / "fusion.json").write_text(json.dumps({**card, "modality": "face"}))
    with pytest.raises(MmerError, match="expected fusion"):
        FusionModel.load(tmp_path)


def test_context_is_an_input_of_a_card_that_names_it(model: FusionModel) -> None:
    assert model.context == CONTEXT
    talking = replace(says("neutral"), talking=1.0, baseline=0.5)
    inputs = model.inputs({"face": talking, "text": replace(says("joy"), punctuated=1.0)})
    assert inputs["context"].tolist() == [[[0, 0, 0], [1, 0, 0], [0, 1, 0.5]]]
    assert "context" not in stacked({"face": talking})


def test_a_talking_faces_neutral_weighs_less(model: FusionModel) -> None:
    neutral = EMOTIONS.index("neutral")
    voice = says("sadness", 0.5)
    silent, talks = (
        model.fuse({"speech": voice, "face": replace(says("neutral", 0.95), talking=t)})[0]
        for t in (0.0, 1.0)
    )
    assert talks[neutral] < silent[neutral] - 0.1


def test_a_card_of_before_has_no_context_and_opens(tmp_path: Path) -> None:
    """A fusion that a user trained before 0.2: four inputs, and no word of context in its card."""
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'mmer-live[train]'")
    from onnx import TensorProto, helper

    names = {"log_probs": [None, 3, 7], "quality": [None, 3], "age_s": [None, 3]}
    names["present"] = [None, 3]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in names.items()]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 7]),
        helper.make_tensor_value_info("shares", TensorProto.FLOAT, [None, 3]),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceSum", ["log_probs", "axis"], ["logits"], keepdims=0),
        helper.make_node("Identity", ["present"], ["shares"]),
    ]
    graph = helper.make_graph(nodes, "old", inputs, outputs, [axis])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "fusion.onnx")
    card = json.loads((weights_dir() / "fusion.json").read_text())
    del card["preprocessing"]["context"]
    card["sha256"] = sha256_of(tmp_path / "fusion.onnx")
    (tmp_path / "fusion.json").write_text(json.dumps(card))
    shutil.copy(weights_dir() / "fusion.seen.npz", tmp_path)
    old = FusionModel.load(tmp_path)
    assert old.context == ()
    log_probs, shares = old.fuse({"text": replace(says("joy"), punctuated=1.0)})
    assert EMOTIONS[int(log_probs.argmax())] == "joy"
    assert shares == {"text": 1.0}


def test_a_card_with_an_unknown_context_is_refused(tmp_path: Path) -> None:
    for name in ("fusion.json", "fusion.onnx", "fusion.seen.npz"):
        shutil.copy(weights_dir() / name, tmp_path)
    card = json.loads((tmp_path / "fusion.json").read_text())
    card["preprocessing"]["context"] = ["weather"]
    (tmp_path / "fusion.json").write_text(json.dumps(card))
    with pytest.raises(MmerError, match="context is"):
        FusionModel.load(tmp_path)
