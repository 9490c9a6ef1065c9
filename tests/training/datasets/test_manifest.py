from collections.abc import Callable
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.registry import default_split, read

Write = Callable[..., Path]


def test_paths_are_relative_to_the_table_whatever_their_kind(write: Write, tmp_path: Path) -> None:
    names = ["a b.wav", "sub/c.OPUS", "sub/d.mkv", "sub\\d.mkv"]
    for name in names[:3]:
        write(f"data/{name}")
    table = write(
        "data/mine.csv", "\ufeffPath,Label\r\n" + "".join(f"{n},joy\r\n" for n in names) + "\r\n"
    )
    items = read("manifest", table, "speech").items
    found = [i.path.relative_to(tmp_path).as_posix() for i in items if i.path]
    assert found == ["data/a b.wav", "data/sub/c.OPUS", "data/sub/d.mkv", "data/sub/d.mkv"]
    assert [i.key for i in items] == ["line 2", "line 3", "line 4", "line 5"]
    assert default_split("manifest") == "all"


def test_the_labels_are_the_seven_names_exactly(write: Write) -> None:
    rows = "".join(f"{emotion},Hi.\n" for emotion in EMOTIONS)
    table = write("m.csv", f"label,text\n{rows},Hm.\n")
    reading = read("manifest", table, "text")
    assert [i.label for i in reading.items] == list(range(7))
    assert reading.dropped == {"no label": 1}
    for wrong in ("happy", "Joy", "contempt"):
        write("m.csv", f"label,text\njoy,Hi.\n{wrong},Hi.\n")
        with pytest.raises(MmerError, match=rf"m\.csv, line 3: label '{wrong}' is none of anger"):
            read("manifest", table, "text")


def test_the_optional_columns_are_kept(write: Write) -> None:
    write("a.wav")
    table = write(
        "m.csv",
        "path,label,speaker,text,start,end,split,dialogue\n"
        'a.wav,joy,ann,"Well, well.",0.5,1.25,dev,d1\n'
        "a.wav,,bob,No.,,,dev,d1\n"
        "a.wav,anger,ann,Yes!,,,dev,d1\n"
        "a.wav,anger,ann,Other.,,,train,d1\n",
    )
    first, third, other = read("manifest", table, "speech").items
    assert (first.start_s, first.end_s, first.text) == (0.5, 1.25, "Well, well.")
    assert first.speaker_group == "manifest/ann"
    assert first.dialogue_group == "manifest/dev/d1"
    assert third.past == ("Well, well.", "No.")
    assert (third.start_s, third.end_s) == (None, None)
    assert other.past == ()
    assert [i.key for i in read("manifest", table, "text", "train").items] == ["line 5"]
    with pytest.raises(MmerError, match="has no split test; it has dev, train"):
        read("manifest", table, "text", "test")


def test_what_is_not_asked_for_may_be_absent(write: Write) -> None:
    table = write("m.csv", "path,label,text,split\nno.wav,joy,Hi.,train\n,anger,,train\n")
    reading = read("manifest", table, "text")
    assert [i.text for i in reading.items] == ["Hi."]
    assert reading.items[0].path is None
    assert reading.dropped == {"no words": 1}
    with pytest.raises(MmerError, match=r"line 2: there is no file .*no\.wav"):
        read("manifest", table, "speech")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,text\njoy,Hi.\n", "has no column path; it has label, text"),
        ("", "has no column label, path; it has no line at all"),
        ("path,label\n", "nothing of manifest"),
        ("path,label\n,joy\n", "line 2: no path"),
        ("path,label\na.wav\n", "line 2: no value for label"),
        ("path,label,start\na.wav,joy,soon\n", "line 2: start 'soon' is not a number of seconds"),
        ("path,label,end\na.wav,joy,-1\n", "line 2: end '-1' is not a number of seconds"),
        ("path,label,end\na.wav,joy,nan\n", "line 2: end 'nan' is not a number of seconds"),
        ("path,label,start,end\na.wav,joy,2,2\n", "line 2: end 2 is not after start 2"),
    ],
)
def test_a_bad_table_is_told(content: str, message: str, write: Write) -> None:
    write("a.wav")
    with pytest.raises(MmerError, match=message):
        read("manifest", write("m.csv", content), "speech")


def test_a_folder_has_its_table_by_name(write: Write, tmp_path: Path) -> None:
    write("mine/sounds/a.wav")
    write("mine/manifest.csv", "path,label\nsounds/a.wav,joy\n")
    (item,) = read("manifest", tmp_path / "mine", "speech").items
    assert item.path == tmp_path / "mine/sounds/a.wav"


def test_a_folder_or_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"is a folder without manifest\.csv: the root of a man"):
        read("manifest", tmp_path, "text")
    with pytest.raises(MmerError, match="does not exist: the root of a manifest"):
        read("manifest", tmp_path / "m.csv", "text")
    (tmp_path / "m.csv").write_text("label,text\njoy,Hi.\n")
    with pytest.raises(MmerError, match=r"m\.csv has no split dev; it has none"):
        read("manifest", tmp_path / "m.csv", "text", "dev")
