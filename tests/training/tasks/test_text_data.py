import os
from pathlib import Path

import numpy as np
import pytest

from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import text_key
from mmer.training.datasets.registry import read
from mmer.training.datasets.texts import bare
from mmer.training.recipes.recipe import load_recipe
from mmer.training.tasks.text_data import SHARED_WORDS, conversations, cut


def scene(corpus: str, dialogue: str, *said: tuple[str, int | None]) -> list[Item]:
    """Items of what has a label; the rest stands in their past."""
    texts = [text for text, _ in said]
    return [
        Item(corpus, str(k), label, "train", dialogue=dialogue, text=text, past=tuple(texts[:k]))
        for k, (text, label) in enumerate(said)
        if label is not None
    ]


HELD = scene("meld", "7", ("You've got to be kidding me!", None), ("Good night.", 4))


def test_what_has_no_label_stays_in_the_past() -> None:
    items = scene("meld", "1", ("A first thing.", None), ("And then?", 6), ("Nothing.", 4))
    (found,) = conversations(items, [])
    assert found.texts == ("A first thing.", "And then?", "Nothing.")
    assert found.labels == {1: 6, 2: 4}
    assert found.group == "meld/train/1"


def test_texts_like_one_of_the_development_data_are_not_learned() -> None:
    items = scene("meld", "1", ("goodnight", 3), ("Bye!", 3))
    (found,) = conversations(items, HELD)
    assert found.labels == {1: 3}
    assert found.texts[0] == "goodnight"
    alone = [Item("goemotions", "1", 3, "train", text="GOOD NIGHT!!")]
    assert conversations(alone, HELD) == []


def test_scenes_of_the_development_data_are_left_out() -> None:
    same = scene("emorynlp", "s1", ("you've got to be kidding me", None), ("Who told you?", 6))
    comment = [Item("goemotions", "1", 0, "train", text="You've got to be kidding me, sir")]
    assert conversations(same, HELD) == []
    assert len(conversations(comment, HELD)) == 1


def test_windows_hold_every_label_once_whatever_the_phase() -> None:
    (found,) = conversations(scene("meld", "1", *((f"text {k}", k % 7) for k in range(11))), [])
    lengths = set()
    for seed in range(12):
        windows = cut(found, 4, np.random.default_rng(seed))
        said = [
            (window.texts[k], label) for window in windows for k, label in window.labels.items()
        ]
        assert said == [(f"text {k}", k % 7) for k in range(11)]
        assert all(1 <= len(w.texts) <= 4 for w in windows)
        lengths.add(len(windows[0].texts))
    assert lengths == {1, 2, 3, 4}


@pytest.mark.data
def test_the_real_split_holds() -> None:
    if "MMER_DATA" not in os.environ:
        pytest.skip("MMER_DATA is not set")
    root = Path(os.environ["MMER_DATA"]) / "text"
    corpora = list(load_recipe("text").options["shares"])
    assert not {"carer", "isear", "tweeteval"} & set(corpora)
    held = read("meld", root / "meld", "text", "dev").items
    train = [
        conversation
        for corpus in corpora
        for conversation in conversations(read(corpus, root / corpus, "text", "train").items, held)
    ]
    assert len(held) == 1109
    assert sum(len(c.labels) for c in train) > 60_000
    learned = {text_key(c.texts[k]) for c in train for k in c.labels}
    assert not learned & {text_key(item.text or "") for item in held}
    telling = {
        text_key(item.text or "")
        for item in held
        if len(bare(item.text or "").split()) >= SHARED_WORDS
    }
    assert not telling & {text_key(text) for c in train for text in c.texts if c.group}
