import numpy as np
import pytest

pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")

from mmer.training.augment_text import TextChanges, change_texts
from mmer.training.datasets.texts import bare
from mmer.training.recognition_errors import ErrorModel

TEXTS = ["Oh my God, you're here!", "Where else would I be?"]


def change(seed: int, **by: object) -> list[str]:
    return change_texts(
        TEXTS,
        ErrorModel([*TEXTS, "hear", "there", "wood"]),
        np.random.default_rng(seed),
        TextChanges(**by),  # type: ignore[arg-type]
    )


def test_a_stretch_is_as_written_or_bare_as_a_whole() -> None:
    assert change(1, bare_probability=0.0) == TEXTS
    assert change(1, bare_probability=1.0, error_probability=0.0) == [bare(t) for t in TEXTS]
    seen = {tuple(change(seed, error_probability=0.0)) for seed in range(40)}
    assert seen == {tuple(TEXTS), tuple(bare(t) for t in TEXTS)}


def test_recognition_errors_come_at_the_rate_asked_for() -> None:
    by = {"bare_probability": 1.0, "error_probability": 1.0}
    assert change(1, **by, word_error_rate=(0.0, 0.0)) == [bare(t) for t in TEXTS]
    heard = [change(seed, **by, word_error_rate=(0.4, 0.4)) for seed in range(20)]
    assert len({tuple(texts) for texts in heard}) > 15
    assert all(len(texts) == 2 and all(texts) for texts in heard)
