import re

import pytest

pytest.importorskip("jellyfish", reason="needs jellyfish: pip install 'mmer-live[eval]'")


from mmer.models.errors import MmerError
from mmer.training.augment.asr_errors import misrecognize
from mmer.training.datasets.texts import as_recognized, bare

TEXTS = [
    "I can't believe you did that to me, after everything we've been through!",
    "Well, the night was cold and nobody knew where the boat had gone.",
    "What? Are you sure? I thought we had agreed on it yesterday.",
    "No.",
] * 40
WORDS = [
    *("see", "sea", "night", "knight", "bolt", "boat", "bot", "cold", "gold", "no", "know"),
    *("new", "knew", "agreed", "greed", "sure", "shore"),
]
VOCABULARY = [*WORDS, *TEXTS]


def errors(said: list[str], heard: list[str]) -> int:
    """Least substitutions, deletions and insertions between words (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for k, word in enumerate(said, 1):
        before, row = row, [k]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other)))
    return row[-1]


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.3, 0.5])
def test_the_word_error_rate_is_the_one_asked_for(rate: float) -> None:
    heard = misrecognize(TEXTS, rate, VOCABULARY, seed=4)
    wrong = sum(errors(bare(t).split(), h.split()) for t, h in zip(TEXTS, heard, strict=True))
    words = sum(len(bare(t).split()) for t in TEXTS)
    assert wrong / words == pytest.approx(rate, rel=0.15)


def test_without_errors_texts_are_bare() -> None:
    assert misrecognize(TEXTS, 0.0, VOCABULARY, seed=1) == [bare(t) for t in TEXTS]


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_with_punctuation_the_word_errors_are_as_many(rate: float) -> None:
    heard = misrecognize(TEXTS, rate, VOCABULARY, seed=4, style="asr")
    wrong = sum(errors(bare(t).split(), bare(h).split()) for t, h in zip(TEXTS, heard, strict=True))
    words = sum(len(bare(t).split()) for t in TEXTS)
    assert wrong / words == pytest.approx(rate, rel=0.15)


def test_without_errors_punctuation_and_case_are_those_of_the_style() -> None:
    assert misrecognize(TEXTS, 0.0, VOCABULARY, 1, "asr") == [as_recognized(t) for t in TEXTS]
    assert misrecognize(["What?! No..."], 0.0, VOCABULARY, 1, "asr") == ["What? No."]


def test_punctuation_of_words_that_are_lost_stays_once() -> None:
    texts = ["Well, no. I see, yes? Oh, now, go!"] * 300
    heard = misrecognize(texts, 1.0, VOCABULARY, seed=2, style="asr")
    assert any(text.count(".") + text.count("?") < 3 for text in heard)  # some were joined
    for text in heard:
        assert text
        assert not re.search(r"[.,?!;:]{2}", text), text  # "Well,." is nobody's writing
        assert not re.search(r"(^|\s)[.,?!;:]", text), text
        assert "!" not in text


def test_a_sentences_end_goes_to_the_word_before_the_lost_one() -> None:
    heard = set(misrecognize(["Well, no."] * 400, 0.5, ["well", "no"], seed=5, style="asr"))
    assert "Well." in heard
    assert not {text for text in heard if text.endswith(",.")}


def test_the_seed_decides() -> None:
    first = misrecognize(TEXTS, 0.3, VOCABULARY, seed=1)
    assert misrecognize(TEXTS, 0.3, list(reversed(VOCABULARY)), seed=1) == first
    assert misrecognize(TEXTS, 0.3, VOCABULARY, seed=2) != first


def test_words_are_taken_for_words_that_sound_alike() -> None:
    unlike = ["umbrella", "giraffe", "precipice", "oxygen"]
    heard = " ".join(misrecognize(["knight"] * 300, 0.9, ["night", "knight", *unlike], seed=3))
    counts = {word: heard.split().count(word) for word in ("night", *unlike)}
    assert counts["night"] > 100
    assert sum(counts[word] for word in unlike) < 0.2 * counts["night"]


def test_only_words_of_the_vocabulary_are_heard_and_never_none() -> None:
    heard = misrecognize(["Zyzzyva!"] * 50, 1.0, ["yes", "no"], seed=1)
    assert all(heard)
    assert {word for text in heard for word in text.split()} <= {"yes", "no", "zyzzyva"}


def test_a_text_without_words_stays_without() -> None:
    assert misrecognize(["", "?!"], 0.5, VOCABULARY, seed=1) == ["", ""]


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(MmerError, match=r"word error rate must be 0\.\.1, got 1\.5"):
        misrecognize(TEXTS, 1.5, VOCABULARY, seed=1)
    with pytest.raises(MmerError, match="vocabulary of two words or more"):
        misrecognize(["Hello."], 0.3, ["hello"], seed=1)
