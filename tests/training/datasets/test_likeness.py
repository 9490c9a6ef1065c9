import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmer.models.cards.seen import as_keys
from mmer.training.datasets.likeness import TWIN_DISTANCE, image_key, near, text_key


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 255, (8, 8), np.uint8), (48, 48))


@pytest.mark.parametrize(
    "other", ["goodnight", "GOOD NIGHT!", "good-night", " “Good” night … ", "Good\tnight\n"]
)
def test_a_text_is_its_letters_and_digits(other: str) -> None:
    assert text_key("Good night.") == text_key(other)


@pytest.mark.parametrize("other", ["Good night 2", "Good nights.", "", "Gód night"])
def test_other_words_are_another_text(other: str) -> None:
    assert text_key("Good night.") != text_key(other)


def test_a_picture_and_its_mirror_image_share_a_key() -> None:
    for seed in range(50):
        assert image_key(picture(seed)) == image_key(picture(seed)[:, ::-1])


def test_a_picture_saved_again_is_near_and_others_are_not() -> None:
    seen = as_keys(image_key(picture(seed)) for seed in range(200))
    again = []
    for seed in range(200):
        large = cv2.resize(picture(seed)[:, ::-1], (96, 96), interpolation=cv2.INTER_CUBIC)
        jpeg = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        again.append(image_key(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)))
    others = [image_key(picture(seed)) for seed in range(200, 1500)]
    assert near(np.array(again, np.uint64), seen, TWIN_DISTANCE).mean() > 0.95
    assert near(np.array(others, np.uint64), seen, TWIN_DISTANCE).mean() < 0.01


def test_distance_counts_bits_of_either_side() -> None:
    seen = np.array([0b11], np.uint64)
    keys = np.array([0b11, 0b111, 0b11111, 0b11 << 6, 0b11 << 62], np.uint64)
    assert near(keys, seen).tolist() == [True, False, False, False, False]
    assert near(keys, seen, 1).tolist() == [True, True, False, True, False]
    assert near(keys, seen, 3).tolist() == [True, True, True, True, False]
    assert near(keys, seen, 4).all()


def test_nothing_is_near_nothing() -> None:
    none = np.zeros(0, np.uint64)
    keys = np.array([1, 2], np.uint64)
    assert not near(keys, none, 2).any()
    assert near(none, keys, 2).shape == (0,)


@pytest.mark.data
def test_documented_twins_are_found() -> None:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    folder = Path(os.environ["MMER_DATA"]) / "face/fer2013"
    with np.load(folder / "train.npz") as data:
        seen = as_keys(image_key(i) for i in data["images"])
    with np.load(folder / "public_test.npz") as data:
        truth = data["near_duplicate_of_train"]
        keys = np.array([image_key(i) for i in data["images"]], np.uint64)
    found = near(keys, seen, TWIN_DISTANCE)
    assert (found & truth).sum() / truth.sum() > 0.98
    assert (found & truth).sum() / found.sum() > 0.85
