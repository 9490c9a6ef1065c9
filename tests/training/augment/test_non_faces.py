from collections.abc import Callable

import numpy as np
import pytest

from mmer.training.augment.non_faces import NonFaces, read_scenes


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return rng(1).integers(0, 256, (5, 48, 48)).astype(np.uint8)


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [rng(2).integers(0, 256, shape).astype(np.uint8) for shape in ((90, 60), (20, 200))]


def test_what_is_drawn_has_the_side_and_range_asked_for(
    faces: np.ndarray, scenes: list[np.ndarray]
) -> None:
    maker = NonFaces(faces, scenes)
    before = faces.copy()
    for seed in range(60):
        crop = maker.draw(rng(seed), 40)
        assert crop.shape == (40, 40)
        assert crop.dtype == np.float32
        assert 0 <= crop.min() <= crop.max() <= 255
        assert (crop == maker.draw(rng(seed), 40)).all()
    assert (faces == before).all()


@pytest.mark.parametrize("kind", range(11))
def test_each_kind_is_a_picture_that_differs_from_the_face(
    faces: np.ndarray, scenes: list[np.ndarray], kind: int
) -> None:
    one = np.ascontiguousarray(faces[:1])
    make: Callable[[np.random.Generator], np.ndarray] = NonFaces(one, scenes)._kinds[kind]
    for seed in range(20):
        crop = make(rng(seed))
        assert crop.shape == (48, 48)
        assert crop.dtype == np.uint8
        assert (crop == one[0]).mean() < 0.45


def test_a_face_in_pieces_has_the_same_pixels(faces: np.ndarray, scenes: list[np.ndarray]) -> None:
    maker = NonFaces(faces[:1], scenes)
    for seed in range(5):
        assert (np.sort(maker._pieces(rng(seed)), axis=None) == np.sort(faces[0], axis=None)).all()


def test_the_scenes_are_grey_pictures() -> None:
    pytest.importorskip("skimage")
    scenes = read_scenes()
    assert len(scenes) > 10
    assert all(s.ndim == 2 and s.dtype == np.uint8 and min(s.shape) >= 48 for s in scenes)
    assert all(s.std() > 5 for s in scenes)
