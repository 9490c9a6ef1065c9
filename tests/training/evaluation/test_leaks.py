from pathlib import Path

import cv2
import numpy as np

from mmer.models.cards.seen import Seen, as_keys, file_digest
from mmer.training.datasets.item import Item
from mmer.training.datasets.likeness import image_key, text_key
from mmer.training.evaluation.leaks import describe, find_leaks, find_twins


def test_speakers_leak_within_their_corpus() -> None:
    items = [
        Item("ravdess", "a", 0, speaker="12"),
        Item("emodb", "b", 0, speaker="12"),
        Item("ravdess", "c", 0, speaker="17"),
        Item("ravdess", "d", 0),
    ]
    found = find_leaks(items, Seen(frozenset({"ravdess/12", "ravdess/13"})))
    assert found == {0: ("speaker", "ravdess/12")}


def test_dialogues_leak_within_their_split() -> None:
    items = [Item("meld", "a", 0, split, dialogue="3") for split in ("train", "dev")]
    found = find_leaks(items, Seen(frozenset({"meld/train/3"})))
    assert found == {0: ("dialogue", "meld/train/3")}


def test_the_bytes_of_a_file_leak_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "trained.wav").write_bytes(b"the same")
    (tmp_path / "renamed.wav").write_bytes(b"the same")
    (tmp_path / "other.wav").write_bytes(b"another")
    seen = Seen(frozenset(), files=as_keys([file_digest(tmp_path / "trained.wav")]))
    items = [Item("manifest", n, 0, path=tmp_path / n) for n in ("other.wav", "renamed.wav")]
    assert find_leaks(items, seen) == {1: ("file", str(tmp_path / "renamed.wav"))}


def test_the_first_few_are_named_and_the_rest_counted() -> None:
    leaks = {k: ("speaker", f"ravdess/{k % 5:02d}") for k in range(40)}
    leaks[77] = ("file", "a.wav")
    assert describe(leaks, 100, Path("w/speech.json")) == (
        "41 of 100 items are in the training data of speech.json: speakers ravdess/00, "
        "ravdess/01, ravdess/02 and 2 more; file a.wav"
    )


def test_equal_letters_and_like_pictures_are_twins() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (8, 8), dtype=np.uint8)
    picture = cv2.resize(small, (96, 96), interpolation=cv2.INTER_CUBIC)
    other = cv2.resize(small[::-1].T.copy(), (96, 96), interpolation=cv2.INTER_CUBIC)
    seen = Seen(
        frozenset(),
        texts=as_keys([text_key("Good night!")]),
        images=as_keys([image_key(picture)]),
    )
    pictures = {
        "mirrored, in colour": cv2.cvtColor(picture[:, ::-1].copy(), cv2.COLOR_GRAY2BGR),
        "smaller": cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA),
        "other": other,
    }
    items = [Item("c", name, 0) for name in pictures]
    items += [Item("c", "goodnight", 0, text="goodnight"), Item("c", "bye", 0, text="good bye")]
    found = find_twins(items, seen, lambda item: pictures.get(item.key))
    assert found.tolist() == [True, True, False, True, False]


def test_nothing_seen_is_nothing_found(tmp_path: Path) -> None:
    items = [Item("c", "a", 0, speaker="1", text="hello", path=tmp_path / "not there")]
    seen = Seen(frozenset())
    assert find_leaks(items, seen) == {}
    assert not find_twins(items, seen, lambda item: np.zeros((9, 9), np.uint8)).any()
