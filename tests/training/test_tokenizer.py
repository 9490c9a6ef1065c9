import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

from mmer.training.tokenizer import UNKNOWN, train_tokenizer

TEXTS = [f"Don't you {word} the {word}s, {other}!" for word in ("love", "hate", "see", "like")
         for other in ("Joe", "Ann", "Bob", "Eve", "Sue", "Max", "Tim", "Zoe")]  # fmt: skip


def test_training_twice_gives_the_same() -> None:
    assert train_tokenizer(TEXTS, 120).to_str() == train_tokenizer(TEXTS, 120).to_str()


def test_punctuation_stands_alone_and_apostrophes_stay_inside() -> None:
    tokenizer = train_tokenizer(TEXTS, 200)
    assert tokenizer.encode("Don’t LOVE!!").tokens == ["▁don't", "▁love", "▁!", "▁!"]
    assert tokenizer.encode("").ids == []


def test_a_character_never_seen_is_unknown() -> None:
    assert UNKNOWN in train_tokenizer(TEXTS, 120).encode("世").ids
