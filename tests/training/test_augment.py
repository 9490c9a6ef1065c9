import numpy as np
import pytest

from mmer.training.augment import TextChanges, change_text


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_text_is_taken_bare_and_words_become_unknown() -> None:
    full, bare = np.arange(10, 30), np.arange(10, 25)
    always = change_text(full, bare, 1, rng(), TextChanges(bare_probability=1, unknown=0))
    never = change_text(full, bare, 1, rng(), TextChanges(bare_probability=0, unknown=0))
    assert (always == bare).all()
    assert (never == full).all()
    drawn = [
        change_text(full, bare, 1, rng(s), TextChanges(bare_probability=0, unknown=0.3))
        for s in range(50)
    ]
    assert np.mean([(d == 1).mean() for d in drawn]) == pytest.approx(0.3, abs=0.05)
    assert all(((d == full) | (d == 1)).all() for d in drawn)
