from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.fer2013 import FER_LABELS, SEVEN, VOTES, load_fer2013, majority
from mmer.training.datasets.registry import read

Write = Callable[..., Path]
VOTE_HEAD = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
)
# usage, FER2013's code, FER+'s votes
ROWS = [
    ("Training", 0, [9, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("Training", 3, [0, 9, 0, 0, 0, 0, 0, 1, 0, 0]),
    ("Training", 3, [0, 5, 5, 0, 0, 0, 0, 0, 0, 0]),
    ("PublicTest", 6, [0, 0, 0, 0, 6, 2, 2, 0, 0, 0]),
    ("PublicTest", 6, [0, 0, 0, 1, 2, 0, 0, 7, 0, 0]),
    ("PrivateTest", 4, [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]),
    ("PrivateTest", 5, [0, 0, 8, 0, 0, 0, 2, 0, 0, 0]),
]


def tables(write: Write, plus: bool = True, head: str = "emotion,pixels,Usage") -> None:
    rows = [
        f"{code},{' '.join([str(n)] * 48 * 48)},{usage}" for n, (usage, code, _) in enumerate(ROWS)
    ]
    write("fer2013/fer2013.csv", "\r\n".join([head, *rows, ""]))
    if plus:
        votes = [
            f"{usage},fer{n:07d}.png," + ",".join(map(str, counts))
            for n, (usage, _, counts) in enumerate(ROWS)
        ]
        write("fer2013/fer2013new.csv", VOTE_HEAD + "\n".join(votes))


def test_the_crowds_majority_is_the_label(write: Write, tmp_path: Path) -> None:
    tables(write)
    reading = read("fer2013", tmp_path, "face", "train")
    assert [(i.key, EMOTIONS[i.label]) for i in reading.items] == [
        ("row 0", "neutral"),
        ("row 1", "joy"),
    ]
    assert reading.dropped == {"no majority": 1}
    pixels = reading.items[1].pixels
    assert pixels is not None
    assert pixels.shape == (48, 48)
    assert (pixels == 1).all()
    public = read("fer2013", tmp_path / "fer2013", "face", "public_test")
    assert [EMOTIONS[i.label] for i in public.items] == ["anger"]
    assert public.dropped == {"contempt maps to none": 1}
    private = read("fer2013", tmp_path, "face")
    assert [(i.key, i.split) for i in private.items] == [("row 6", "private_test")]
    assert private.dropped == {"not a face maps to none": 1}
    assert len(read("fer2013", tmp_path, "face", "all").items) == 4


def test_without_the_crowd_the_old_labels_count(write: Write, tmp_path: Path) -> None:
    tables(write, plus=False, head="emotion, pixels, Usage")
    reading = read("fer2013", tmp_path, "face", "all")
    assert [EMOTIONS[i.label] for i in reading.items] == [FER_LABELS[code] for _, code, _ in ROWS]
    assert not reading.dropped


def test_arrays_are_read_like_tables(write: Write, tmp_path: Path) -> None:
    tables(write)
    wanted = [(i.key, i.label) for i in read("fer2013", tmp_path, "face", "public_test").items]
    part = load_fer2013(tmp_path, "public_test")["public_test"]
    folder = tmp_path / "arrays"
    folder.mkdir()
    np.savez(
        folder / "public_test.npz",
        images=part.images,
        fer_label=part.labels,
        ferplus_votes=part.votes,
        row=part.rows,
    )
    reading = read("fer2013", folder, "face", "public_test")
    assert [(i.key, i.label) for i in reading.items] == wanted
    assert reading.dropped == {"contempt maps to none": 1}
    with pytest.raises(MmerError, match=r"expected fer2013\.csv .* or train\.npz"):
        read("fer2013", folder, "face", "train")


@pytest.mark.parametrize("place", range(10))
def test_each_column_of_votes_has_its_name(place: int) -> None:
    votes = np.zeros(10, np.uint8)
    votes[place] = 6
    assert majority(votes) == VOTES[place]
    assert sorted(SEVEN) == sorted(EMOTIONS) == sorted(FER_LABELS)


def test_what_is_missing_or_strange_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no private_test split .* unless a split is named"):
        read("fer2013", tmp_path, "face")
    write("train.npz", b"no archive")
    with pytest.raises(MmerError, match=r"train\.npz is not understood"):
        read("fer2013", tmp_path, "face", "train")
    for line in ("9,0 0,Training", "0,0 0 0,Training", f"7,{' '.join(['0'] * 2304)},Training", "1"):
        write("fer2013.csv", f"emotion,pixels,Usage\n{line}\n")
        with pytest.raises(MmerError, match=r"fer2013\.csv, line 2: expected emotion"):
            read("fer2013", tmp_path, "face", "train")
    write("fer2013.csv", "a,b\n")
    with pytest.raises(MmerError, match=r"fer2013\.csv, line 1: expected emotion \(0 to 6\)"):
        read("fer2013", tmp_path, "face", "train")
    write("fer2013.csv", f"emotion,pixels,Usage\n1,{' '.join(['0'] * 2304)},Training\n")
    write("fer2013new.csv", VOTE_HEAD)
    with pytest.raises(MmerError, match="their rows differ"):
        read("fer2013", tmp_path, "face", "train")
    write("fer2013new.csv", VOTE_HEAD + "Training,a.png,x,0,0,0,0,0,0,0,0,0\n")
    with pytest.raises(MmerError, match="line 2: expected a usage and ten counts"):
        read("fer2013", tmp_path, "face", "train")


@pytest.mark.parametrize(
    ("labels", "told"),
    [([0, 9], r"labels are not 0\.\.6"), ([0], "its arrays have not one row for each of 2 images")],
)
def test_arrays_that_do_not_fit_are_one_line(tmp_path: Path, labels: list[int], told: str) -> None:
    images = np.zeros((2, 48, 48), np.uint8)
    np.savez(tmp_path / "train.npz", images=images, fer_label=np.array(labels))
    with pytest.raises(MmerError, match=told):
        load_fer2013(tmp_path, "train")
