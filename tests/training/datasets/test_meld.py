from collections.abc import Callable
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.registry import read

Write = Callable[..., Path]
HEAD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\r\n"
)


def row(text: str, emotion: str, dialogue: int, utterance: int) -> str:
    return f'1,"{text}",Joey,{emotion},neutral,{dialogue},{utterance},1,1,"00:00:01,000","0"\r\n'


DEV = HEAD + row("Oh my God!", "sadness", 0, 0) + row("What?", "surprise", 0, 1)
DEV += row("You’re a genius!", "joy", 1, 0) + row("Hm.", "neutral", 1, 2)


@pytest.mark.parametrize("folder", ["", "MELD.Raw/", "data/MELD/", "some where/MELD.Raw/dev/"])
def test_text_needs_its_own_table_alone(folder: str, write: Write, tmp_path: Path) -> None:
    write(f"{folder}dev_sent_emo.csv", "\ufeff" + DEV)
    reading = read("meld", tmp_path, "text", "dev")
    items = reading.items
    assert [EMOTIONS[i.label] for i in items] == ["sadness", "surprise", "joy", "neutral"]
    assert [i.key for i in items] == ["dia0_utt0", "dia0_utt1", "dia1_utt0", "dia1_utt2"]
    assert [i.past for i in items] == [(), ("Oh my God!",), (), ("You're a genius!",)]
    assert items[2].text == "You're a genius!"
    assert {i.dialogue_group for i in items} == {"meld/dev/0", "meld/dev/1"}
    assert {i.speaker_group for i in items} == {""}
    assert not reading.dropped
    assert all(i.path is None for i in items)


def test_each_emotion_has_its_index(write: Write, tmp_path: Path) -> None:
    rows = "".join(row("Hi.", emotion, 0, n) for n, emotion in enumerate(EMOTIONS))
    write("test_sent_emo.csv", HEAD + rows)
    assert [i.label for i in read("meld", tmp_path, "text").items] == list(range(7))


def test_old_copies_have_windows_characters(write: Write, tmp_path: Path) -> None:
    for content in (
        (HEAD + row("You\x92re my\x85 \x93Ross\x94", "joy", 0, 0)).encode(),
        (HEAD + row("You’re my… “Ross”", "joy", 0, 0)).encode("cp1252"),
    ):
        write("dev_sent_emo.csv", content)
        assert read("meld", tmp_path, "text", "dev").items[0].text == "You're my… “Ross”"


def test_clips_are_found_and_their_lack_is_counted(write: Write, tmp_path: Path) -> None:
    write("dev_sent_emo.csv", DEV)
    video = write("dev_splits_complete/dia0_utt0.mp4")
    write("dev_splits_complete/._dia0_utt1.mp4")
    write("train_splits/dia0_utt1.mp4")  # another split's
    sound = write("dev_audio/dia1_utt0.wav")
    write("dev_splits_complete/dia1_utt0.mp4")
    speech = read("meld", tmp_path, "speech", "dev")
    assert [i.path for i in speech.items] == [video, sound]
    assert speech.dropped == {"no clip": 2}
    assert [i.past for i in speech.items] == [(), ()]
    clip = read("meld", tmp_path, "clip", "dev")
    assert [i.key for i in clip.items] == ["dia0_utt0", "dia1_utt0"]
    assert {i.path.suffix for i in clip.items if i.path} == {".mp4"}


def test_test_clips_have_their_own_folder(write: Write, tmp_path: Path) -> None:
    write("test_sent_emo.csv", DEV)
    wanted = write("test/output_repeated_splits_test/dia0_utt0.mp4")
    write("test/output_repeated_splits_test/final_videos_testdia0_utt1.mp4")
    assert [i.path for i in read("meld", tmp_path, "clip").items] == [wanted]


def test_all_takes_the_splits_that_are_there(write: Write, tmp_path: Path) -> None:
    write("dev_sent_emo.csv", DEV)
    write("train_sent_emo.csv", HEAD + row("So.", "anger", 0, 0))
    items = read("meld", tmp_path, "text", "all").items
    assert [i.dialogue_group for i in items] == ["meld/train/0", *["meld/dev/0"] * 2] + [
        "meld/dev/1"
    ] * 2


def test_what_is_missing_or_strange_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no test_sent_emo\.csv below .*unless a split is named"):
        read("meld", tmp_path, "text")
    with pytest.raises(MmerError, match=r"no train_sent_emo\.csv or dev_sent_emo\.csv or"):
        read("meld", tmp_path, "text", "all")
    path = write("dev_sent_emo.csv", DEV)
    with pytest.raises(MmerError, match=r"no clips of meld dev .* dev_splits_complete"):
        read("meld", tmp_path, "speech", "dev")
    path.write_text(HEAD + row("Hi.", "glee", 0, 0))
    with pytest.raises(MmerError, match="line 2: unknown emotion 'glee'"):
        read("meld", tmp_path, "text", "dev")
    for content in (b"a,b\n1,2\n", b"\xff\xfe\n", b"Utterance,Emotion,Dialogue_ID\n", b""):
        path.write_bytes(content)
        with pytest.raises(MmerError, match=r"dev_sent_emo\.csv has no column"):
            read("meld", tmp_path, "text", "dev")
    path.write_text("Utterance,Emotion,Dialogue_ID,Utterance_ID\n")
    with pytest.raises(MmerError, match="nothing of meld below"):
        read("meld", tmp_path, "text", "dev")
    path.write_text("Utterance,Emotion,Dialogue_ID,Utterance_ID\nHi.,joy\n")
    with pytest.raises(MmerError, match="line 2: no value for Dialogue_ID, Utterance_ID"):
        read("meld", tmp_path, "text", "dev")
