from collections.abc import Callable
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.registry import read

Write = Callable[..., Path]
SPELLINGS = {
    "anger": ["anger", "Angry", "ANG"],
    "disgust": ["disgust", "Disgusted"],
    "fear": ["fear", "fearful", "Afraid"],
    "joy": ["joy", "happy", "Happiness", "HAP"],
    "neutral": ["neutral", "Neutral", "normal"],
    "sadness": ["sad", "Sadness"],
    "surprise": ["surprise", "surprised", "Pleasant-Surprise", "pleasant surprise"],
}


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_labels_are_known_in_many_spellings(emotion: str, write: Write, tmp_path: Path) -> None:
    for name in SPELLINGS[emotion]:
        write(f"faces/{name}/1.png")
    items = read("images", tmp_path, "face").items
    assert {EMOTIONS[i.label] for i in items} == {emotion}
    assert len(items) == len(SPELLINGS[emotion])


def test_splits_are_folders_above_and_need_not_all_be_there(write: Write, tmp_path: Path) -> None:
    write("train/happy/a.png")
    write("train/happy/deeper still/B.JPG")
    write("validation/sad/a.png")
    write("validation/contempt/b.png")
    write("validation/sad/.hidden.png")
    write("validation/sad/note.txt", "x")
    assert [i.key for i in read("images", tmp_path, "face", "train").items] == [
        "train/happy/a.png",
        "train/happy/deeper still/B.JPG",
    ]
    dev = read("images", tmp_path, "face", "dev")
    assert [(i.key, i.split) for i in dev.items] == [("validation/sad/a.png", "dev")]
    assert dev.dropped == {"contempt maps to none": 1}
    assert len(read("images", tmp_path, "face").items) == 3
    with pytest.raises(MmerError, match=r"no images: expected folders such as .*/test/happy"):
        read("images", tmp_path, "face", "test")


def test_what_is_no_label_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="no images: expected folders such as"):
        read("images", tmp_path, "face")
    write("people/a.png")
    with pytest.raises(MmerError, match=r"people/a\.png is in no folder named after a label"):
        read("images", tmp_path, "face")
    with pytest.raises(MmerError, match="images is not read for speech"):
        read("images", tmp_path, "speech")


def test_muxspace_has_a_table(write: Write, tmp_path: Path) -> None:
    write("images/a.jpg")
    write("images/b.jpg")
    write("labels.csv", "image,label\na.jpg,happiness\nb.jpg,contempt\n")
    reading = read("muxspace", tmp_path, "face")
    assert [EMOTIONS[i.label] for i in reading.items] == ["joy"]
    assert reading.dropped == {"contempt maps to none": 1}
    for line, message in (("c.jpg,anger", "line 2: there is no"), ("a.jpg,glee", "unknown label")):
        write("labels.csv", f"image,label\n{line}\n")
        with pytest.raises(MmerError, match=message):
            read("muxspace", tmp_path, "face")
