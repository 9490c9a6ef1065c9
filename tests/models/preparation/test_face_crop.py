import cv2
import numpy as np
import pytest

from mmer.models.preparation.face_crop import CropGeometry, align, similarity

GREY = np.full((240, 320, 3), 128, np.uint8)


def with_dots(eyes: np.ndarray, radius: int) -> np.ndarray:
    """A grey picture with a blue left and a red right eye."""
    image = GREY.copy()
    for (x, y), colour in zip(eyes, ((255, 0, 0), (0, 0, 255)), strict=True):
        cv2.circle(image, (round(x), round(y)), radius, colour, -1, cv2.LINE_8)
    return image


def centre_of(crop: np.ndarray, channel: int) -> np.ndarray:
    """Centre of mass of what has more of one colour than the ground."""
    weight = (crop[..., channel].astype(float) - 128).clip(0)
    y, x = np.indices(weight.shape)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize(
    "eyes",
    [
        [(100, 100), (130, 100)],
        [(100, 100), (126, 115)],  # tilted
        [(60, 120), (240, 120)],  # ten times larger than the crop
        [(100, 130), (100, 90)],  # lying on its side
    ],
)
@pytest.mark.parametrize("size", [48, 64, 33])
def test_eyes_come_to_lie_where_the_geometry_says(eyes: list, size: int) -> None:
    points = np.array(eyes, np.float32)
    radius = max(3, round(float(np.linalg.norm(points[1] - points[0])) / 12))
    geometry = CropGeometry(size=size, left_eye=(0.3, 0.4), right_eye=(0.7, 0.4))

    crop = align(with_dots(points, radius), points, geometry)

    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert crop.flags.c_contiguous
    for channel, (x, y) in ((0, geometry.left_eye), (2, geometry.right_eye)):
        expected = np.array([x, y]) * size - 0.5  # the middle of the first pixel is 0
        assert np.abs(centre_of(crop, channel) - expected).max() < 0.5


def test_similarity_maps_the_points_and_keeps_shapes() -> None:
    source, target = np.array([(3.0, 4.0), (9.0, 1.0)]), np.array([(0.0, 0.0), (2.0, 2.0)])
    matrix = similarity(source, target)
    assert np.allclose(source @ matrix[:, :2].T + matrix[:, 2], target)
    turn = matrix[:, :2]
    assert np.allclose(turn @ turn.T, np.eye(2) * np.linalg.det(turn))  # no shear, no stretch
    assert np.linalg.det(turn) > 0  # no mirror


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = 0, 255  # finer than the crop can show
    crop = align(stripes, np.array([(230, 200), (410, 200)], np.float32), CropGeometry())
    assert crop.mean() == pytest.approx(127.5, abs=3)
    assert crop.std() < 20  # aliased stripes would keep nearly all of 127


def test_what_lies_outside_repeats_the_border() -> None:
    image = GREY.copy()
    image[:, 0] = 200
    crop = align(image, np.array([(-60, 100), (-30, 100)], np.float32), CropGeometry())
    assert (crop == 200).all()


def test_a_view_that_is_not_contiguous_gives_the_same_crop() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (100, 120, 3), np.uint8)
    view = image[:, :, ::-1]
    eyes = np.array([(40, 40), (70, 45)], np.float32)
    assert np.array_equal(
        align(view, eyes, CropGeometry()),
        align(np.ascontiguousarray(view), eyes, CropGeometry()),
    )


def test_bad_input_is_refused() -> None:
    eyes = np.array([(10, 10), (20, 10)], np.float32)
    with pytest.raises(ValueError, match="H, W, 3"):
        align(GREY[..., 0], eyes, CropGeometry())
    with pytest.raises(ValueError, match="two eyes"):
        align(GREY, eyes[:1], CropGeometry())
    for bad in ([(10, 10), (10, 10)], [(np.nan, 10), (20, 10)]):
        with pytest.raises(ValueError, match="distinct finite"):
            align(GREY, np.array(bad, np.float32), CropGeometry())
    with pytest.raises(ValueError, match="distinct eyes"):
        CropGeometry(left_eye=(0.5, 0.5), right_eye=(0.5, 0.5))
