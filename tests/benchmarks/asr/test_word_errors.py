"""Word error rate: normalisation, alignment, interval."""

from __future__ import annotations

import math

import pytest

from mmer.benchmarks.asr.word_errors import WordErrors, normalised, rate_interval, word_errors


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Kids are talking, by the door.", "kids are talking by the door"),
        ("Set white with P2, soon!", "set white with p two soon"),
        ("bin blue at f 2 now", "bin blue at f two now"),
        ("10", "one zero"),
        ("Don’t", "don't"),
        ("♪ - ...", ""),
    ],
)
def test_normalisation(text: str, words: str) -> None:
    assert normalised(text) == words.split()


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("a b c", "a b c", WordErrors(hits=3)),
        ("a b c", "", WordErrors(deletions=3)),
        ("a b c", "a x c", WordErrors(hits=2, substitutions=1)),
        ("a b c", "a c", WordErrors(hits=2, deletions=1)),
        ("a b c", "a b b c", WordErrors(hits=3, insertions=1)),
        ("a b c", "x a b c y", WordErrors(hits=3, insertions=2)),
        ("", "you", WordErrors(insertions=1)),
        ("a b c d", "b c d e", WordErrors(hits=3, deletions=1, insertions=1)),
    ],
)
def test_alignment(reference: str, hypothesis: str, errors: WordErrors) -> None:
    assert word_errors(reference, hypothesis) == errors


def test_counts_add_up_and_the_rate_is_pooled() -> None:
    whole = word_errors("a b c d", "a b c") + word_errors("a", "b c")
    assert (whole.words, whole.errors, whole.wrong) == (5, 3, 2)
    assert whole.rate == pytest.approx(3 / 5)
    assert math.isnan(WordErrors().rate)


def test_the_interval_holds_the_rate() -> None:
    clips = [WordErrors(hits=6)] * 90 + [WordErrors(deletions=6)] * 10
    low, high = rate_interval(clips)
    assert 0.03 < low < 0.1 < high < 0.18
    assert rate_interval(clips) == (low, high)
    assert rate_interval([WordErrors(hits=6)] * 5) == (0, 0)
