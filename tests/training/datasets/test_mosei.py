import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.mosei import SIX
from mmer.training.datasets.registry import read

Write = Callable[..., Path]
TEXTS = "Raw/Transcript/Segmented/Combined/"
ANSWERS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
HEAD = '"HITId","Input.VIDEO_ID","Input.CLIP",' + ",".join(f'"Answer.{a}"' for a in ANSWERS) + "\n"


def raw_files(write: Write) -> None:
    """Five clips of one video, of which the last two have no clear label, and one of another."""
    write(
        f"{TEXTS}-3g5yACwYnA.txt",
        "-3g5yACwYnA___0___82.7___100.5___So happy.\n"
        "-3g5yACwYnA___1___119.9___125.2___It is a chair.\n"
        "-3g5yACwYnA___2___-0.4___14.0___Eww___really.\n"
        "-3g5yACwYnA___3___15.0___17.0___Both.\n"
        "-3g5yACwYnA___4___18.0___19.0___Nobody said.\n",
    )
    write(f"{TEXTS}81406.txt", "81406___10___0.0___2.5___How sad.\n")
    write(
        "Raw/Labels/5000_batch_raw.csv",
        HEAD + '"a","-3g5yACwYnA","0",3,0,0,0,0,0\n"b","-3g5yACwYnA","0",0,1,0,0,0,0\n'
        '"a","-3g5yACwYnA","1",0,0,0,0,0,0\n"a","-3g5yACwYnA","2",0,0,0,0,2,\n'
        '"a","-3g5yACwYnA","3",1,0,1,0,0,0\n',
    )
    write("Raw/Labels/more.csv", HEAD + '"a","81406","10",0,1,0,0,0,0\n')
    write("Raw/Labels/other_questions.csv", '"HITId","Answer.language"\n"a","none"\n')
    write(
        "cmu_mosei_std_folds.py",
        "standard_train_fold=['-3g5yACwYnA']\n\nstandard_valid_fold=['81406']\n"
        "standard_test_fold=[]\n",
    )


def test_raw_files_are_read(write: Write, tmp_path: Path) -> None:
    raw_files(write)
    reading = read("mosei", tmp_path, "text", "all")
    items = reading.items
    assert [EMOTIONS[i.label] for i in items] == ["joy", "neutral", "disgust", "sadness"]
    assert [i.key for i in items][2:] == ["-3g5yACwYnA_2", "81406_10"]
    assert [i.text for i in items][2:] == ["Eww___really.", "How sad."]
    assert items[2].past == ("So happy.", "It is a chair.")
    assert [i.dialogue_group for i in items][2:] == ["mosei/train/-3g5yACwYnA", "mosei/dev/81406"]
    assert reading.dropped == {"two emotions equally strong": 1, "no label": 1}
    assert [i.key for i in read("mosei", tmp_path, "text", "dev").items] == ["81406_10"]


@pytest.mark.parametrize("place", range(6))
def test_each_score_is_of_its_emotion(place: int, write: Write, tmp_path: Path) -> None:
    write(f"{TEXTS}a.txt", "a___0___0.0___1.0___Hm.\n")
    scores = ",".join("2" if n == place else "1" for n in range(6))
    write("Raw/Labels/a.csv", f'{HEAD}"x","a","0",{scores}\n')
    reading = read("mosei", tmp_path, "text", "all")
    assert EMOTIONS[reading.items[0].label] == SIX[place]
    assert reading.items[0].split == ""


def test_recordings_are_whole_clips_or_parts_of_videos(write: Write, tmp_path: Path) -> None:
    raw_files(write)
    sound = write("Raw/Audio/Full/WAV_16000/-3g5yACwYnA.wav")
    write("Raw/Videos/Full/Combined/-3g5yACwYnA.mp4")
    clip = write("Raw/Videos/Segmented/Combined/81406_10.mp4")
    speech = read("mosei", tmp_path, "speech", "all").items
    assert [i.path for i in speech] == [sound, sound, sound, clip]
    assert [(i.start_s, i.end_s) for i in speech][1:] == [(119.9, 125.2), (0.0, 14.0), (None, None)]
    clips = read("mosei", tmp_path, "clip", "dev")
    assert [i.path for i in clips.items] == [clip]


def test_the_sdks_labels_are_read(write: Write, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    raw_files(write)
    for table in (tmp_path / "Raw/Labels").iterdir():
        table.unlink()
    with h5py.File(tmp_path / "CMU_MOSEI_Labels.csd", "w") as file:
        video = file.create_group("All Labels/data/-3g5yACwYnA")
        video["intervals"] = np.array([[119.9, 125.2], [-0.4, 14.0]])
        # sentiment, happy, sad, anger, surprise, disgust, fear
        video["features"] = np.array([[3, 0, 0, 2, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]], np.float32)
    reading = read("mosei", tmp_path, "text", "all")
    found = {i.key: EMOTIONS[i.label] for i in reading.items}
    assert found == {"-3g5yACwYnA_1": "anger", "-3g5yACwYnA_2": "neutral"}
    assert reading.dropped == {"no label": 4}


def test_what_is_missing_or_strange_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no cmu_mosei_std_folds\.py .*unless a split is named"):
        read("mosei", tmp_path, "text")
    with pytest.raises(MmerError, match=r"no Transcript/Segmented/Combined/VIDEO\.txt"):
        read("mosei", tmp_path, "text", "all")
    write(f"{TEXTS}a.txt", "a___0___0.0___1.0___Hm.\n")
    with pytest.raises(MmerError, match=r"no CMU_MOSEI_Labels\.csd and no Labels/"):
        read("mosei", tmp_path, "text", "all")
    raw_files(write)
    with pytest.raises(MmerError, match=r"no recordings of mosei .* for speech"):
        read("mosei", tmp_path, "speech", "all")
    write("cmu_mosei_std_folds.py", "standard_train_fold = some()")
    with pytest.raises(MmerError, match=r"std_folds\.py is not understood"):
        read("mosei", tmp_path, "text", "train")
    (tmp_path / "cmu_mosei_std_folds.py").unlink()
    write("Raw/Labels/more.csv", HEAD + '"a","81406","10",0,some,0,0,0,0\n')
    with pytest.raises(MmerError, match=r"more\.csv, line 2: a score is not a number"):
        read("mosei", tmp_path, "text", "all")
    write(f"{TEXTS}a.txt", "a__0\n")
    with pytest.raises(MmerError, match=r"a\.txt, line 1: expected VIDEO___CLIP"):
        read("mosei", tmp_path, "text", "all")


def test_strange_labels_of_the_sdk_are_told(write: Write, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    raw_files(write)
    path = write("CMU_MOSEI_Labels.csd", b"not that")
    with pytest.raises(MmerError, match=r"Labels\.csd is not understood"):
        read("mosei", tmp_path, "text", "all")
    with h5py.File(path, "w") as file:
        file["All Labels/data/-3g5yACwYnA/intervals"] = np.zeros((2, 2))
        file["All Labels/data/-3g5yACwYnA/features"] = np.zeros((2, 6))
    with pytest.raises(MmerError, match=r"Labels\.csd is not understood"):
        read("mosei", tmp_path, "text", "all")


def test_the_sdks_labels_need_h5py(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw_files(write)
    write("CMU_MOSEI_Labels.csd", b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MmerError, match="needs h5py: pip install h5py"):
        read("mosei", tmp_path, "text", "all")
