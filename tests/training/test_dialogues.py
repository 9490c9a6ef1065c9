import os
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.dialogues import (
    TELLING_WORDS,
    bare,
    read_development,
    read_training,
    tidy,
)
from mmer.training.recipe import load_recipe

ALL = ["meld", "emorynlp", "goemotions", "dailydialog"]


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
        ("It ' s gross , ew !He left .", "It's gross, ew! He left."),
        ("I don ’ t know , [NAME] .", "I don't know,."),
        ("e.g. this", "e.g. this"),
        ("He said 'so'", "He said 'so'"),
    ],
)
def test_tidy_undoes_what_corpora_did(text: str, expected: str) -> None:
    assert tidy(text) == expected


def test_texts_and_scenes_of_the_development_data_are_left_out(corpora: Path) -> None:
    held = read_development(corpora)
    train = read_training(corpora, ALL, held)
    texts = {bare(u.text) for u in train}
    assert not texts & {bare(u.text) for u in held}
    assert "okay" not in texts
    # its scene shares a long line with the development data, the other only a short one
    assert "what a day that was" not in texts
    assert "that is great thanks" in texts


def test_rows_with_exactly_one_emotion_and_a_word_are_read(corpora: Path) -> None:
    train = read_training(corpora, ALL, ())
    by_corpus = {c: [u for u in train if u.corpus == c] for c in ALL}
    assert [u.text for u in by_corpus["goemotions"]] == ["I love this,", 'She said "wow"']
    assert [EMOTIONS[u.label] for u in by_corpus["goemotions"]] == ["joy", "surprise"]
    assert [u.text for u in by_corpus["dailydialog"]] == ["It's gross, ew! He left."]
    assert "Peaceful words." not in [u.text for u in by_corpus["emorynlp"]]
    assert all(u.dialogue for u in by_corpus["emorynlp"])


def test_only_the_named_corpora_are_read(corpora: Path) -> None:
    assert {u.corpus for u in read_training(corpora, ["dailydialog"], ())} == {"dailydialog"}
    with pytest.raises(MmerError, match="no text corpus carer; known are meld"):
        read_training(corpora, ["meld", "carer"], ())


def test_a_missing_or_strange_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"dev_sent_emo\.csv is missing"):
        read_development(tmp_path)
    path = tmp_path / "text/meld/dev_sent_emo.csv"
    path.parent.mkdir(parents=True)
    for content in (b"a,b\n1,2\n", b"\xff\xfe\n", b"Utterance,Emotion,Dialogue_ID\n", b""):
        path.write_bytes(content)
        with pytest.raises(MmerError, match=r"dev_sent_emo\.csv"):
            read_development(tmp_path)
    path = tmp_path / "text/dailydialog/train.tsv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not gzip")
    with pytest.raises(MmerError, match="is not understood"):
        read_training(tmp_path, ["dailydialog"], ())


@pytest.mark.data
def test_the_real_split_holds() -> None:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    root = Path(os.environ["MMER_DATA"])
    corpora = list(load_recipe("text").options["shares"])
    assert not {"carer", "isear", "tweeteval_emotion"} & set(corpora)
    held = read_development(root)
    train = read_training(root, corpora, held)
    assert len(held) == 1109
    assert len(train) > 60_000
    barred = {bare(u.text) for u in held}
    assert not barred & {bare(u.text) for u in train}
    telling = {t for t in barred if len(t.split()) >= TELLING_WORDS}
    scenes = {
        (u.corpus, u.dialogue)
        for u in read_training(root, corpora, ())
        if u.dialogue and bare(u.text) in telling
    }
    assert len(scenes) > 20
    assert not scenes & {(u.corpus, u.dialogue) for u in train}
