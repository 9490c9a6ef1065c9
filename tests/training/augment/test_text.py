from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")

from mmer.models.errors import MmerError
from mmer.models.preparation.text_style import TextStyle
from mmer.training.augment.asr_errors import ErrorModel
from mmer.training.augment.text import TextChanges, change_texts
from mmer.training.datasets.texts import RESTYLE, as_recognized, bare

TEXTS = ["Oh my God, you're here!", "Where else would I be?"]


def change(
    seed: int, spoken: Mapping[str, str] | None = None, **by: object
) -> tuple[list[str], TextStyle]:
    return change_texts(
        TEXTS,
        ErrorModel([*TEXTS, "hear", "there", "wood"]),
        np.random.default_rng(seed),
        TextChanges(**by),  # type: ignore[arg-type]
        spoken,
    )


WRITTEN = {"asr_probability": 0.0, "bare_probability": 0.0}
ASR = {"asr_probability": 1.0, "bare_probability": 0.0}
BARE = {"asr_probability": 0.0, "bare_probability": 1.0}


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ({"spoken_probability": -0.1}, r"spoken_probability must be 0\.\.1, got -0\.1"),
        ({"error_probability": 1.5}, r"error_probability must be 0\.\.1"),
        ({"asr_probability": 0.6, "bare_probability": 0.5}, "1 at most together"),
        ({"word_error_rate": [0.3, 1.5]}, r"a range within 0\.\.1, got \[0\.3, 1\.5\]"),
        ({"word_error_rate": [0.3, 0.1]}, "a range within"),
        ({"word_error_rate": [0.3]}, "a range within"),
    ],
)
def test_probabilities_out_of_range_are_told(by: dict[str, Any], told: str) -> None:
    with pytest.raises(MmerError, match=told):
        TextChanges(**by)


def test_a_stretch_has_one_style_as_a_whole() -> None:
    assert change(1, **WRITTEN) == (TEXTS, "written")
    assert change(1, **ASR, error_probability=0.0) == ([as_recognized(t) for t in TEXTS], "asr")
    assert change(1, **BARE, error_probability=0.0) == ([bare(t) for t in TEXTS], "bare")
    seen = {
        (style, tuple(texts))
        for texts, style in (change(seed, error_probability=0.0) for seed in range(40))
    }
    assert seen == {(style, tuple(map(restyle, TEXTS))) for style, restyle in RESTYLE.items()}


def test_styles_come_as_often_as_asked_for() -> None:
    by = {"asr_probability": 0.5, "bare_probability": 0.2}
    count = Counter(change(seed, **by)[1] for seed in range(400))
    assert count["asr"] / 400 == pytest.approx(0.5, abs=0.08)
    assert count["bare"] / 400 == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize(("by", "style"), [(ASR, "asr"), (BARE, "bare")])
def test_recognition_errors_come_at_the_rate_asked_for(
    by: dict[str, float], style: TextStyle
) -> None:
    plain = [RESTYLE[style](t) for t in TEXTS]
    by = {**by, "error_probability": 1.0}
    assert change(1, **by, word_error_rate=(0.0, 0.0)) == (plain, style)
    heard = [change(seed, **by, word_error_rate=(0.4, 0.4)) for seed in range(20)]
    assert {found for _, found in heard} == {style}
    assert len({tuple(texts) for texts, _ in heard}) > 15
    assert all(len(texts) == 2 and all(texts) for texts, _ in heard)
    punctuated = any(c in ".?," for texts, _ in heard for text in texts for c in text)
    assert punctuated == (style == "asr")


def test_transcripts_of_the_round_trip_take_the_place_of_texts() -> None:
    spoken = {TEXTS[0]: "Oh my God, you hear.", TEXTS[1]: ""}  # no word came back of the second
    whole = {**ASR, "spoken_probability": 1.0, "error_probability": 1.0}
    assert change(1, spoken, **whole) == (["Oh my God, you hear.", TEXTS[1]], "asr")
    some = [change(seed, spoken, **ASR, error_probability=0.0)[0][0] for seed in range(300)]
    assert some.count("Oh my God, you hear.") / 300 == pytest.approx(0.3, abs=0.08)
    for by in (BARE, WRITTEN):  # they are of a recognizer that punctuates
        texts, _ = change(1, spoken, **by, spoken_probability=1.0, error_probability=0.0)
        assert "Oh my God, you hear." not in texts
    for nothing in (None, {}):
        assert change(1, nothing, **whole, word_error_rate=(0.0, 0.0))[0][1] == TEXTS[1]
