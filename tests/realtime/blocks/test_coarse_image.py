"""Coarse images: what counts as a change of a face, and what as noise."""

import numpy as np
import pytest

from mmer.realtime.blocks.coarse_image import CoarseImage


def half_lit(side: int = 160, dark: int = 80, lit: int = 160) -> np.ndarray:
    image = np.full((side, side, 3), dark, np.uint8)
    image[:, side // 2 :] = lit  # a deviation of half the difference
    return image


def test_a_change_is_in_standard_deviations_of_the_image_before() -> None:
    before = CoarseImage(half_lit())
    assert CoarseImage(half_lit()).change(before) == 0.0
    assert CoarseImage(half_lit() + 10).change(before) == pytest.approx(10 / 40)
    local = half_lit()
    local[:80, :80] += 20  # a quarter of the image
    assert CoarseImage(local).change(before) == pytest.approx(10 / 40)
    assert before.change(CoarseImage(half_lit(lit=100))) == pytest.approx(60 / 2**0.5 / 10)


def test_the_noise_of_a_camera_is_no_change() -> None:
    rng = np.random.default_rng(0)
    noisy = [half_lit() + rng.normal(0, 6, (160, 160, 3)) for _ in range(2)]
    one, other = (CoarseImage(image.astype(np.uint8)) for image in noisy)
    assert 0 < one.change(other) < 0.02


def test_a_flat_image_changes_by_grey_values() -> None:
    flat = np.full((48, 48), 100, np.uint8)  # grey, and of another size
    assert CoarseImage(flat + 4).change(CoarseImage(flat)) == pytest.approx(4 / 8)
