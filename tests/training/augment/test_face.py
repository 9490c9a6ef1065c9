import numpy as np
import pytest

from mmer.training.augment.face import FaceChanges, change_face

STILL = FaceChanges(
    turn_deg=0,
    scale=0,
    stretch=0,
    shear=0,
    keystone=0,
    gamma=0,
    shade_probability=0,
    blur_probability=0,
    noise=0,
    erase_probability=0,
    cover_probability=0,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture() -> np.ndarray:
    return rng(9).integers(0, 256, (48, 48)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("side", [40, 48])
def test_a_changed_face_has_the_side_asked_for_and_the_range(seed: int, side: int) -> None:
    image = picture()
    before = image.copy()
    changed = change_face(image, rng(seed), FaceChanges(), side)
    assert changed.shape == (side, side)
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 255
    assert (image == before).all()
    assert (changed == change_face(image, rng(seed), FaceChanges(), side)).all()


def test_a_face_that_may_not_be_changed_is_only_mirrored() -> None:
    image = picture()
    drawn = [change_face(image, rng(s), STILL, 48) for s in range(20)]
    same = [abs(d - image).max() < 0.01 for d in drawn]
    mirrored = [abs(d - image[:, ::-1]).max() < 0.01 for d in drawn]
    assert 0 < sum(same) < 20
    assert sum(same) + sum(mirrored) == 20


def test_a_window_lies_anywhere_in_the_picture() -> None:
    """With whole numbers of pixels; between them it is interpolated."""
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 5, (48, 1))
    lefts = []
    for seed in range(60):
        window = change_face(ramp, rng(seed), STILL, 40)
        if window[0, 0] < window[0, -1]:
            lefts.append(window[0, 0] / 5)
    assert 0 <= min(lefts) < 1
    assert 7 < max(lefts) <= 8


@pytest.mark.parametrize(
    ("changes", "hidden"),
    [({"cover_probability": 1.0}, 0.34), ({"erase_probability": 1.0}, 0.01)],
)
def test_a_part_is_hidden(changes: dict[str, float], hidden: float) -> None:
    image = picture()
    by = FaceChanges(**{**STILL.__dict__, **changes})
    for seed in range(10):
        out = change_face(image, rng(seed), by, 48)
        changed = np.minimum(abs(out - image), abs(out - image[:, ::-1])) > 0.01
        assert hidden < changed.mean() < 0.6


def test_a_blurred_face_has_lost_detail() -> None:
    image = picture()
    blurred = change_face(
        image, rng(), FaceChanges(**{**STILL.__dict__, "blur_probability": 1.0}), 48
    )
    assert blurred.std() < 0.8 * image.std()
