"""What mmer-export writes is evaluated by mmer-evaluate as the shipped models are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import generated_corpora as corpora
import numpy as np
import pytest
from run_folders import COUNT, SIDE, write_run

from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.models.labels import MODALITIES
from mmer.training.datasets.item import Item
from mmer.training.datasets.signals import frames_of
from mmer.training.evaluation.evaluate import evaluate
from mmer.training.evaluation.image_sequence import SequenceAnswerer
from mmer.training.evaluation.settings import Settings
from mmer.training.evaluation.weights import weights_of


@pytest.fixture(scope="module")
def meld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("meld")
    return corpora.write_meld(top, 3, 2, {"text": 1.0}, utterances=2, emotions=("joy", "anger"))


@pytest.mark.parametrize(
    ("modality", "sees"),
    [
        *((modality, "faces") for modality in (*MODALITIES, "clip")),
        ("face", "frames"),
        ("clip", "frames"),
    ],
)
def test_every_kind_of_item_is_evaluated(
    meld: Path, tmp_path: Path, modality: str, sees: str
) -> None:
    run = write_run(tmp_path, MODALITIES, "tokens", sees=sees)
    quick = Settings(resamples=100)
    if modality in ("face", "clip"):
        quick = Settings(resamples=100, offline=True)
    if modality == "clip":
        quick = Settings(resamples=100, offline=True, gold_words=True)
    done = evaluate(modality, "meld", meld, split="test", weights=run, settings=quick)
    assert done.figures.n == 2
    assert done.about["unanswered"] == 0
    if modality == "face":
        assert done.about["sees"] == sees
        assert done.about["no_face"] == 0
    if modality == "clip":
        assert {m: done.about["parts"][m]["n"] for m in MODALITIES} == dict.fromkeys(MODALITIES, 2)


def test_a_video_is_one_sequence_and_a_picture_a_sequence_of_one(
    meld: Path, tmp_path: Path
) -> None:
    model = FaceModel.load(write_run(tmp_path, ("face",)))
    clip = next(meld.rglob("*.mp4"))
    item = Item("meld", "one", 0, path=clip)
    answerer = SequenceAnswerer(model)
    crops = frames_of(item, COUNT, "faces", SIDE)
    assert crops is not None
    np.testing.assert_array_equal(answerer.answer(item).log_probs, model.predict(crops).log_probs)
    still = Item("x", "one", 0, pixels=np.full((40, 40), 200, np.uint8))
    grey = np.full((SIDE, SIDE, 3), 200, np.uint8)
    np.testing.assert_allclose(
        answerer.answer(still).log_probs, model.predict(grey).log_probs, atol=1e-6
    )
    assert answerer.about() == {"sees": "faces", "no_face": 0}


def test_without_a_face_the_middle_is_evaluated_and_counted(tmp_path: Path) -> None:
    model = FaceModel.load(write_run(tmp_path / "run", ("face",)))
    clip = tmp_path / "grey.mp4"
    corpora.write_clip(clip, None, [np.full((96, 128, 3), 90, np.uint8)] * 3)
    answerer = SequenceAnswerer(model, change=lambda picture: picture // 2)
    answer = answerer.answer(Item("x", "grey", 0, path=clip))
    assert answer.usable
    grey = np.full((SIDE, SIDE, 3), 45, np.uint8)
    np.testing.assert_allclose(answer.log_probs, model.predict(grey).log_probs, atol=0.02)
    assert answerer.about()["no_face"] == 1


def test_a_clip_without_a_picture_is_told(tmp_path: Path) -> None:
    model = FaceModel.load(write_run(tmp_path / "run", ("face",), sees="frames"))
    corpora.write_wav(tmp_path / "voice.wav", np.ones(1600, np.int16))
    with pytest.raises(MmerError, match="has no image"):
        SequenceAnswerer(model).answer(Item("x", "v", 0, path=tmp_path / "voice.wav"))


def test_a_clip_rests_on_the_models_of_the_run_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path, ("speech", "text"), "logits")
    evaluated = weights_of("clip", run, Settings())
    assert Counter(w.path.parent for w in evaluated) == {run: 3}
