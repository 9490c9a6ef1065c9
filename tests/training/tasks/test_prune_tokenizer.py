import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from mmer.models.preparation.text_style import STYLES
from mmer.training.tasks.prune_tokenizer import SPECIAL, STYLE_PIECES, prune_tokenizer

PIECES = (
    "[PAD] [unused0] [unused1] [unused2] [UNK] [CLS] [SEP] [MASK] ! ' a d e g o n t "
    "##d ##g ##o ##n ##t do don dog ##og zebra"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A BERT tokenizer of a few pieces."""
    vocabulary = {piece: k for k, piece in enumerate(PIECES.split())}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 6), ("[CLS]", 5))
    tokenizer.add_special_tokens(["[SEP]"])
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_pieces_that_are_seldom_go_and_single_characters_stay(source: Path) -> None:
    pruned, numbers = prune_tokenizer(source, ["Don't!", "don don dog"], at_least=2)
    vocabulary = pruned.get_vocab()
    assert {piece for piece in PIECES.split() if piece not in vocabulary} == {
        *("[unused0]", "[MASK]"),
        *("do", "dog", "##og", "zebra"),
    }
    assert [vocabulary[piece] for piece in SPECIAL] == [0, 1, 2, 3, 4, 5]
    old = {piece: k for k, piece in enumerate(PIECES.split())}
    assert len(numbers) == pruned.get_vocab_size()
    assert all(numbers[new] == old[piece] for piece, new in vocabulary.items())


def test_what_is_gone_is_spelt_out(source: Path) -> None:
    pruned, _ = prune_tokenizer(source, ["Don't!", "don don dog"], at_least=2)
    assert pruned.encode("DON’T dog!").tokens == ["don", "'", "t", "d", "##o", "##g", "!"]
    assert pruned.encode("xyz").tokens == ["[UNK]"]


def test_what_somebody_says_holds_no_special_piece(source: Path) -> None:
    pruned, _ = prune_tokenizer(source, ["don"], at_least=1)
    assert "[SEP]" not in pruned.encode("[SEP]").tokens
    assert pruned.encode("don").tokens == ["don"]


def test_each_style_has_a_piece_of_its_own_that_no_text_holds(source: Path) -> None:
    pruned, _ = prune_tokenizer(source, ["don"], at_least=1)
    assert set(STYLE_PIECES) == set(STYLES)
    numbers = {pruned.token_to_id(piece) for piece in STYLE_PIECES.values()}
    assert len(numbers) == 3
    assert None not in numbers
    assert STYLE_PIECES["written"] == "[CLS]"  # as models before there were styles
    said = pruned.encode(" ".join(STYLE_PIECES.values()))
    assert not numbers & set(said.ids)


def test_it_is_the_same_every_time_and_can_be_saved(source: Path, tmp_path: Path) -> None:
    first, _ = prune_tokenizer(source, ["don dog"], at_least=1)
    again, _ = prune_tokenizer(source, ["don dog"], at_least=1)
    assert first.to_str() == again.to_str()
    first.save(str(tmp_path / "ours.json"))
    assert json.loads((tmp_path / "ours.json").read_text(encoding="utf-8"))["truncation"] is None
    assert (
        Tokenizer.from_file(str(tmp_path / "ours.json")).encode("dog").ids
        == first.encode("dog").ids
    )
