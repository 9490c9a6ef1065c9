"""Pseudo-sequences: the mouth of an image moves, its eyes do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from mmer.training.augment.talking import TalkingChanges, syllables, talking

STILL = TalkingChanges(
    talking=0.0, turn_deg=0, scale=0, shift_px=0, jitter_px=0, gamma=0, noise=0,
    blur_probability=0, small_probability=0, jpeg_probability=0,
)  # fmt: skip


def face() -> np.ndarray:
    """Skin with eyes and a closed mouth, the same mirrored."""
    image = np.full((48, 48), 180, np.uint8)
    image[18:21, 12:19] = image[18:21, 29:36] = 40
    image[37:39, 17:31] = 90
    return image


def test_without_changes_every_frame_is_the_image() -> None:
    frames = talking(face(), np.random.default_rng(0), STILL, 4, 0.2)
    assert frames.shape == (4, 48, 48)
    assert frames.dtype == np.uint8
    assert (frames == face()).all()


def test_a_mouth_moves_where_it_is_and_nowhere_else() -> None:
    by = replace(STILL, talking=1.0)
    frames = talking(face(), np.random.default_rng(3), by, 30, 0.1).astype(float)
    change = frames.std(axis=0)
    assert change[33:47, 14:34].mean() > 4
    assert change[:24].max() < 0.1 * change[33:47].max()


def test_the_same_numbers_make_the_same_film_and_it_is_degraded() -> None:
    by = TalkingChanges(jpeg_probability=1.0, blur_probability=1.0, small_probability=1.0)
    first, again = (talking(face(), np.random.default_rng(1), by, 3, 0.2) for _ in range(2))
    assert (first == again).all()
    assert np.abs(first.astype(float) - face()).mean() > 2


def test_people_pause_between_syllables() -> None:
    opening = syllables(np.random.default_rng(2), 200, 0.05)
    assert np.abs(opening).max() <= 1.0
    assert 0.02 < (opening == 0).mean() < 0.9
