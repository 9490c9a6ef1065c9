"""The learned fusion against what it must not fall behind, on real held-out data."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")
pytest.importorskip("accelerate", reason="needs accelerate: pip install 'mmer-live[train]'")

from mmer.models.labels import MODALITIES
from mmer.training.recipes.recipe import load_recipe
from mmer.training.studies.late_fusion import ALL, iemocap, mean, measure, paired, product
from mmer.training.tasks.fusion import ONLY

INPUTS = {
    "log_probs": np.log(np.float32([[[0.8, 0.2], [0.4, 0.6]], [[0.5, 0.5], [0.1, 0.9]]])),
    "quality": np.ones((2, 2), np.float32),
    "age_s": np.zeros((2, 2), np.float32),
    "present": np.float32([[1, 1], [0, 1]]),
}


def test_mean_and_product_are_of_what_is_present() -> None:
    np.testing.assert_allclose(np.exp(mean(INPUTS)), [[0.6, 0.4], [0.1, 0.9]], rtol=1e-5)
    np.testing.assert_allclose(np.exp(product(INPUTS)), [[8 / 11, 3 / 11], [0.1, 0.9]], rtol=1e-5)


def test_figures_of_six_classes() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 300)
    right = np.where(rng.random(300) < 0.7, labels, (labels + 1) % 6)
    answers = np.log(np.full((300, 6), 0.02))
    answers[np.arange(300), right] = np.log(0.9)
    found = measure(labels, (np.arange(300) // 15).astype(str), {"one": answers})["one"]
    assert found["accuracy"] == pytest.approx((right == labels).mean(), abs=1e-4)
    low, high = found["interval"]["accuracy"]
    assert low < found["accuracy"] < high


@pytest.fixture(scope="module")
def data() -> Path:
    if not os.environ.get("MMER_DATA"):
        pytest.skip("MMER_DATA is not set")
    return Path(os.environ["MMER_DATA"])


@pytest.fixture(scope="module")
def found(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    for part in ("audio/ravdess", "text/meld", "face/fer2013"):
        if not (data / part).is_dir():
            pytest.skip(f"{data / part} is not there")
    shipped = load_recipe("fusion")
    # fewer items and epochs than what ships; both halves read one cache
    options = {**shipped.options, "per_class": 10, "draws": 6_000}
    smaller = replace(shipped, epochs=5, options=options)
    with pytest.MonkeyPatch.context() as patch:
        # fourteen trainings: to draw the curves of one takes a third of it
        patch.setattr("mmer.training.loop.trainer.draw_curves", lambda *args: None)
        return paired(smaller, data, cache=tmp_path_factory.mktemp("cache"))


@pytest.mark.data
@pytest.mark.timeout(900)
def test_never_below_the_best_modality_alone_by_more_than_its_interval(
    found: dict[str, Any],
) -> None:
    for condition in (ALL, *ONLY):
        pools = found["moments"][condition]
        alone = [pools[m] for m in MODALITIES if m in pools]
        best = max(alone, key=lambda each: each["accuracy"])
        assert pools["learned"]["accuracy"] >= best["interval"]["accuracy"][0], condition


@pytest.mark.data
@pytest.mark.timeout(900)
def test_all_three_are_better_than_any_one(found: dict[str, Any]) -> None:
    pools = found["moments"][ALL]
    low, _ = pools["learned"]["interval"]["accuracy"]
    assert low > max(pools[m]["accuracy"] for m in MODALITIES)
    assert pools["learned"]["accuracy"] >= pools["mean"]["accuracy"]


@pytest.mark.data
@pytest.mark.timeout(900)
def test_with_modalities_removed_it_is_within_a_point_of_the_model_for_the_rest(
    found: dict[str, Any],
) -> None:
    for condition, accuracy in found["rest"].items():
        assert accuracy["of all"] >= accuracy["of the rest"] - 0.01, condition


@pytest.mark.data
def test_on_real_dialogues_it_is_not_below_the_mean(data: Path) -> None:
    if not (data / "features/iemocap_unimodal.npz").is_file():
        pytest.skip("the encoder outputs are not there")
    pools = iemocap(data)["pools"]
    for alone in ("audio", "text"):
        assert pools["learned"]["weighted_f1"] > pools[alone]["weighted_f1"]
    assert pools["learned"]["weighted_f1"] >= pools["mean"]["weighted_f1"]
