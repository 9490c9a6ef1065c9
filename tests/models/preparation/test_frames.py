import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.preparation.frames import FaceCrops, WholeFrames, evenly, images_of


def test_pictures_are_spread_evenly() -> None:
    assert evenly(3, 8) == [0, 1, 2]
    assert evenly(8, 8) == list(range(8))
    assert evenly(0, 4) == []
    assert evenly(100, 1) == [50]
    assert evenly(80, 8) == [5, 15, 25, 35, 45, 55, 65, 75]
    for total in range(1, 60):
        for count in range(1, 12):
            chosen = evenly(total, count)
            assert len(set(chosen)) == min(total, count)
            assert chosen[-1] < total


def test_colours_are_red_first_and_normalised() -> None:
    raw = np.zeros((2, 20, 30, 3), np.uint8)
    raw[:, :, 15:] = (255, 0, 51)  # blue, green, red
    (made,) = WholeFrames(count=8, size=10, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 2.0))(raw) or ()
    assert made.shape == (2, 3, 10, 10)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made[0, :, 5, 0], [-1, 0, 0])
    np.testing.assert_allclose(made[1, :, 5, 9], [-0.6, 0, 0.5], atol=1e-6)


def test_more_pictures_than_wanted_are_thinned() -> None:
    raw = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    (made,) = FaceCrops(count=4, size=4, mean=(0, 0, 0), std=(1, 1, 1))(raw) or ()
    np.testing.assert_allclose(made[:, 0, 0, 0] * 255, [5, 15, 25, 35])


def test_no_picture_is_nothing_to_evaluate() -> None:
    assert FaceCrops()(np.zeros((0, 48, 48, 3), np.uint8)) is None
    with pytest.raises(ValueError, match=r"\(N, H, W, 3\), got uint8 \(48, 48, 3\)"):
        FaceCrops()(np.zeros((48, 48, 3), np.uint8))


@pytest.mark.parametrize("sees", ["frames", "faces"])
def test_its_settings_make_it_again(sees: str) -> None:
    made = images_of(sees, 5, 32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    settings = json.loads(json.dumps(made.settings()))
    assert settings["kind"] == made.kind == sees
    assert type(made).open(settings, Path()) == made
    assert not made.files()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"size": 0}, "size 0"),
        ({"count": 0}, "count is 0"),
        ({"count": 2.5}, "count is 2.5, expected int"),
        ({"std": [1.0, 1.0, 0.0]}, "std above 0"),
        ({"mean": [1.0]}, "red, green and blue"),
        ({"mean": ["a", 1, 1]}, "not numbers"),
        ({"colour": 1}, "has no colour"),
    ],
)
def test_wrong_settings_are_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(MmerError, match=told):
        WholeFrames.open({**WholeFrames().settings(), **wrong}, Path())


def test_an_unknown_sight_is_told() -> None:
    with pytest.raises(MmerError, match="sees is 'hands'; it is one of frames, faces"):
        images_of("hands", 8, 32, (0, 0, 0), (1, 1, 1))
