import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.models.preparation.text_style import STYLES
from mmer.training.datasets.registry import default_split, read, splits_of
from mmer.training.datasets.texts import RESTYLE, as_recognized, bare, pasts, tidy

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You’ve got to be KIDDING me, Ross!", "you've got to be kidding me ross"),
        ("'Tis five o'clock... 'really'?", "tis five o'clock really"),
        ("a_b - c", "a b c"),
        ("?!…", ""),
    ],
)
def test_bare_is_as_recognizers_write(text: str, expected: str) -> None:
    assert bare(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Oh my God, you're here!", "Oh my God, you're here."),
        ("What?! No!!", "What? No."),
        ("Well... I mean… maybe.", "Well. I mean. maybe."),
        ("No!?", "No?"),
        ("Plain, as it is.", "Plain, as it is."),
        ("3.5", "3.5"),
        ("", ""),
    ],
)
def test_as_a_recognizer_that_punctuates_writes(text: str, expected: str) -> None:
    assert as_recognized(text) == expected
    assert as_recognized(expected) == expected
    assert bare(as_recognized(text)) == bare(text)  # the words stay


def test_every_style_has_its_writing() -> None:
    assert set(RESTYLE) == set(STYLES)
    assert RESTYLE["written"]("What?!") == "What?!"
    assert RESTYLE["asr"] is as_recognized
    assert RESTYLE["bare"] is bare


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It ' s gross , ew !He left .", "It's gross, ew! He left."),
        ("I don ’ t know , [NAME] .", "I don't know,."),
        ("e.g. this", "e.g. this"),
        ("He said 'so'", "He said 'so'"),
    ],
)
def test_tidy_undoes_what_corpora_did(text: str, expected: str) -> None:
    assert tidy(text) == expected


def test_a_past_is_what_was_said_before_in_the_same_dialogue() -> None:
    said = [("a", "1"), ("b", "2"), ("a", ""), ("a", "3"), ("", "4"), ("", "5"), ("a", "6")]
    assert pasts(said) == [(), (), ("1",), ("1",), (), (), ("1", "3")]


def test_dialogues_keep_what_has_no_label_as_past(write: Write, tmp_path: Path) -> None:
    table = (
        "dialogue\tutterance\tspeaker\ttext\tlabel\tlabel7\n"
        "s01e01c01\t1\tRoss\tHi .\tPeaceful\t\n"
        's01e01c01\t2\tRoss\t"She said\t""wow"""\tJoyful\tjoy\n'
        "s01e01c02\t1\tRoss\tNo!\tMad\tanger\n"
    )
    write("train.tsv.gz", gzip.compress(table.encode()))
    reading = read("emorynlp", tmp_path, "text", "train")
    assert [(EMOTIONS[i.label], i.text) for i in reading.items] == [
        ("joy", 'She said "wow"'),
        ("anger", "No!"),
    ]
    assert [i.past for i in reading.items] == [("Hi.",), ()]
    assert reading.items[0].dialogue_group == "emorynlp/train/s01e01c01"
    assert reading.dropped == {"peaceful maps to none": 1}


def test_goemotions_has_texts_with_several_labels(write: Write, tmp_path: Path) -> None:
    write(
        "goemotions/dev.tsv",
        "id\ttext\tlabels\tlabels7\n1\tSo good\tlove\tjoy\n2\tBoth\tlove,anger\tjoy,anger\n"
        "3\t[NAME]\tneutral\tneutral\n",
    )
    reading = read("goemotions", tmp_path, "text", "all")
    assert [i.text for i in reading.items] == ["So good"]
    assert reading.dropped == {"more than one of the seven": 1, "no words": 1}


def test_isear_is_not_split(write: Write, tmp_path: Path) -> None:
    write("all.tsv", "key\ttext\tlabel\tlabel7\n1\tAn exam.\tfear\tfear\n2\tA lie.\tguilt\t\n")
    reading = read("isear", tmp_path, "text")
    assert [EMOTIONS[i.label] for i in reading.items] == ["fear"]
    assert reading.dropped == {"guilt maps to none": 1}
    assert splits_of("isear") == ("all",)
    assert default_split("carer") == "test"


def test_what_is_missing_or_strange_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no test\.tsv\.gz in .*unless a split is named"):
        read("dailydialog", tmp_path, "text")
    path = write("dailydialog/train.tsv.gz", b"not gzip")
    with pytest.raises(MmerError, match=r"cannot unpack .*train\.tsv\.gz"):
        read("dailydialog", tmp_path, "text", "train")
    path.write_bytes(gzip.compress(b"text\tlabel7\nHi.\tglee\n"))
    with pytest.raises(MmerError, match="line 2: 'glee' is none of anger"):
        read("dailydialog", tmp_path, "text", "train")
    path.write_bytes(gzip.compress(b"words\nHi.\n"))
    with pytest.raises(MmerError, match="has no column text, label7; it has words"):
        read("dailydialog", tmp_path, "text", "train")
