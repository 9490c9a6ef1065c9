import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmer.models.cards.card import weights_dir
from mmer.models.encoder import FaceModel
from mmer.models.errors import MmerError
from mmer.models.preparation.face_crop import CropGeometry


class FakeEngine:
    provider = "cpu"
    inputs = ("image",)
    outputs = ("logits", "embedding", "usable")


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.load(provider="cpu")


def mask(size: int = 48, mouth: float = 0.72) -> np.ndarray:
    """Something like a face: a light oval with dark eyes and mouth; uint8 (S, S)."""
    y, x = (np.indices((size, size)) + 0.5) / size
    image = np.full((size, size), 60.0)
    image[((x - 0.5) / 0.42) ** 2 + ((y - 0.52) / 0.48) ** 2 < 1] = 190
    for at in (0.315, 0.685):
        image[((x - at) / 0.09) ** 2 + ((y - 0.4) / 0.05) ** 2 < 1] = 40
    curve = mouth + 0.35 * (0.25 - (x - 0.5) ** 2) - 0.03
    image[(abs(x - 0.5) < 0.22) & (abs(y - curve) < 0.035)] = 70
    return image.astype(np.uint8)


def test_a_prediction_has_all_its_parts(model: FaceModel) -> None:
    prediction = model.predict(mask())
    assert prediction.probs.sum() == pytest.approx(1, abs=1e-5)
    assert prediction.embedding is not None
    assert prediction.embedding.shape == (128,)
    assert 0 <= prediction.usable <= 1


@pytest.mark.parametrize(
    ("logits", "usable"),
    [([0.0], 0.5), ([2.0], 0.8808), ([-1000.0], 0.0), ([1000.0], 1.0), (None, 1.0)],
)
def test_the_belief_in_a_usable_face_is_told(
    model: FaceModel, logits: list[float] | None, usable: float
) -> None:
    class Network(FakeEngine):
        def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            out = {"logits": np.zeros((1, 7), np.float32), "embedding": np.ones((1, 3))}
            return out if logits is None else out | {"usable": np.array(logits, np.float32)}

    prediction = FaceModel(model.card, Network(), model.preparation).predict(mask())  # type: ignore[arg-type]
    assert prediction.usable == pytest.approx(usable, abs=1e-4)


def test_a_card_without_a_limit_for_usable_faces_has_none(model: FaceModel) -> None:
    settings = {k: v for k, v in model.card.preprocessing.items() if k != "usable_below"}
    card = replace(model.card, preprocessing=settings)
    assert FaceModel(card, FakeEngine(), model.preparation).usable_below == 0.0  # type: ignore[arg-type]


def test_it_says_how_to_cut_the_crop(model: FaceModel) -> None:
    assert model.geometry == CropGeometry(48, (0.315, 0.40), (0.685, 0.40))
    assert model.provider == "cpu"
    assert model.card.modality == "face"


def test_grey_and_its_copy_in_three_channels_are_the_same(model: FaceModel) -> None:
    grey = mask()
    coloured = np.repeat(grey[..., None], 3, axis=2)
    ours, theirs = model.predict(grey).log_probs, model.predict(coloured).log_probs
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_colour_becomes_grey_by_rec_601(model: FaceModel) -> None:
    import cv2

    colour = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    assert model.predict(colour).probs == pytest.approx(model.predict(grey).probs, abs=0.01)


def test_light_and_contrast_hardly_matter(model: FaceModel) -> None:
    image = mask()
    darker = (image * 0.6 + 20).astype(np.uint8)
    assert model.predict(image).probs == pytest.approx(model.predict(darker).probs, abs=0.1)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_plain_picture_gives_probabilities(model: FaceModel, value: int) -> None:
    prediction = model.predict(np.full((48, 48, 3), value, np.uint8))
    assert prediction.probs.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((48, 47), np.uint8),
        np.zeros((48, 48, 4), np.uint8),
        np.zeros((48, 48), np.float32),
        np.zeros((0, 0), np.uint8),
    ],
)
def test_another_shape_or_type_is_refused(model: FaceModel, crop: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected a crop uint8 \(48, 48, 3\) or \(48, 48\), got"):
        model.predict(crop)


@pytest.mark.parametrize(
    "change",
    [
        {"left_eye": 5},
        {"left_eye": [0.685, 0.4]},
        {"right_eye": [0.1]},
        {"size": 0},
        {"usable_below": 1.5},
        {"usable_below": "half"},
    ],
)
def test_a_card_with_a_senseless_crop_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    shutil.copy(weights_dir() / "face.onnx", tmp_path)
    card = json.loads((weights_dir() / "face.json").read_text(encoding="utf-8"))
    table = card["preprocessing"]
    (table if "usable_below" in change else table["input"]).update(change)
    (tmp_path / "face.json").write_text(json.dumps(card))
    with pytest.raises(MmerError, match="card face"):
        FaceModel.load(tmp_path)
