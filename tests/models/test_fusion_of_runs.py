"""The fusion of a run: what it is given of each modality, present or absent."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from run_folders import WIDTH, edit, fusion_weights, write_run

from mmer.models.errors import MmerError
from mmer.models.fusion import USES, FusionModel, Opinion

ALL = ("speech", "text", "face")
HEAT = {"speech": 2.0, "fusion": 1.5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("runs")
    return {uses: write_run(top / uses, ALL, uses, temperatures=HEAT) for uses in USES}


def opinion(modality: str, uses: str) -> Opinion:
    random = np.random.default_rng(len(modality))
    logits = random.normal(size=7)
    shape = (len(modality), WIDTH) if uses == "tokens" else (WIDTH,)
    return Opinion(
        logits - np.log(np.exp(logits).sum()), 0.5, 1.0, random.normal(size=shape).astype("f4")
    )


def worked_out(modality: str, uses: str, said: Opinion) -> np.ndarray:
    if uses == "logits":  # as they were before the temperature of the modality's own model
        return np.asarray(said.log_probs * HEAT.get(modality, 1.0))
    assert said.embedding is not None
    seen = said.embedding.sum(axis=0) if uses == "tokens" else said.embedding
    return np.asarray(seen @ fusion_weights(modality, uses))


@pytest.mark.parametrize("uses", USES)
@pytest.mark.parametrize("there", [c for n in (1, 2, 3) for c in combinations(ALL, n)])
def test_whoever_is_there_is_fused_and_nobody_else(
    runs: dict[str, Path], uses: str, there: tuple[str, ...]
) -> None:
    model = FusionModel.load(runs[uses])
    opinions = {m: opinion(m, uses) for m in there}
    fused, shares = model.fuse(opinions)
    logits = sum(worked_out(m, uses, said) for m, said in opinions.items()) / HEAT["fusion"]
    np.testing.assert_allclose(fused, logits - np.log(np.exp(logits).sum()), atol=1e-5)
    assert shares == {m: pytest.approx(1 / len(there)) for m in there}


def test_it_needs_an_opinion_of_its_own_modalities(tmp_path: Path) -> None:
    model = FusionModel.load(write_run(tmp_path, ("speech", "text"), "logits"))
    for opinions in ({}, {"face": opinion("face", "logits")}):
        with pytest.raises(ValueError, match="expected opinions of some of"):
            model.fuse(opinions)


def test_it_needs_what_it_looks_at(runs: dict[str, Path]) -> None:
    model = FusionModel.load(runs["tokens"])
    with pytest.raises(ValueError, match=r"the tokens of text, got \(4,\)"):
        model.fuse({"text": opinion("text", "embedding")})
    with pytest.raises(ValueError, match="got None"):
        model.fuse({"text": Opinion(np.full(7, -np.log(7)), 1.0, 0.0)})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"uses": "looks"}, "uses is 'looks'"),
        ({"modalities": ["speech", "smell"]}, "modalities is"),
        ({"modalities": []}, "modalities is"),
        ({"modalities": ["text", "speech"]}, "takes"),
        ({"uses": "logits"}, "takes"),
    ],
)
def test_a_card_that_does_not_fit_is_told(
    tmp_path: Path, settings: dict[str, object], told: str
) -> None:
    run = write_run(tmp_path, ("speech", "text"), "embedding")
    edit(run, "fusion", **settings)
    with pytest.raises(MmerError, match=told):
        FusionModel.load(run)
