import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets import named_corpora
from mmer.training.datasets.corpora import CORPORA
from mmer.training.datasets.named_files import NamedFiles
from mmer.training.datasets.registry import read

Write = Callable[..., Path]

# corpus: name of a file in its official layout, emotion or why there is none, speaker
OFFICIAL = {
    "ravdess": [
        ("Actor_01/03-01-01-01-01-01-01.wav", "neutral", "01"),
        ("Actor_02/03-01-02-01-01-01-02.wav", "calm maps to none", ""),
        ("Actor_03/03-01-03-02-02-02-03.wav", "joy", "03"),
        ("Actor_04/03-01-04-02-02-02-04.wav", "sadness", "04"),
        ("Actor_05/03-01-05-02-02-02-05.wav", "anger", "05"),
        ("Actor_06/03-01-06-02-02-02-06.wav", "fear", "06"),
        ("Actor_07/03-01-07-02-02-02-07.wav", "disgust", "07"),
        ("Actor_24/03-01-08-02-02-02-24.wav", "surprise", "24"),
        ("Actor_24/03-02-03-02-02-02-24.wav", "song", ""),
        ("Actor_24/03-01-09-02-02-02-24.wav", "file name not understood", ""),
    ],
    "emodb": [
        ("wav/03a01Wa.wav", "anger", "03"),
        ("wav/08b10Lb.wav", "boredom maps to none", ""),
        ("wav/09a02Ea.wav", "disgust", "09"),
        ("wav/10a04Ac.wav", "fear", "10"),
        ("wav/11a05Fd.wav", "joy", "11"),
        ("wav/12a07Ta.wav", "sadness", "12"),
        ("wav/16b03Na.wav", "neutral", "16"),
    ],
    "tess": [
        ("TESS Toronto emotional speech set data/OAF_angry/OAF_back_angry.wav", "anger", "OAF"),
        (
            "TESS Toronto emotional speech set data/OAF_disgust/OAF_bar_disgust.wav",
            "disgust",
            "OAF",
        ),
        ("TESS Toronto emotional speech set data/OAF_Fear/OAF_base_fear.wav", "fear", "OAF"),
        ("TESS Toronto emotional speech set data/YAF_happy/YAF_bath_happy.wav", "joy", "YAF"),
        (
            "TESS Toronto emotional speech set data/OAF_neutral/OA_bite_neutral.wav",
            "neutral",
            "OAF",
        ),
        ("TESS Toronto emotional speech set data/OAF_Sad/OAF_boat_sad.wav", "sadness", "OAF"),
        (
            "TESS Toronto emotional speech set data/OAF_Pleasant_surprise/OAF_bone_ps.wav",
            "surprise",
            "OAF",
        ),
    ],
    "savee": [
        ("AudioData/DC/a01.wav", "anger", "DC"),
        ("AudioData/DC/d15.wav", "disgust", "DC"),
        ("AudioData/JE/f01.wav", "fear", "JE"),
        ("AudioData/JK/h01.wav", "joy", "JK"),
        ("AudioData/JK/n30.wav", "neutral", "JK"),
        ("AudioData/KL/sa01.wav", "sadness", "KL"),
        ("AudioData/KL/su01.wav", "surprise", "KL"),
        ("ALL/KL_su02.wav", "surprise", "KL"),
        ("ALL/KL_x02.wav", "file name not understood", ""),
    ],
    "nemo": [
        ("samples/EB0_anger_1.wav", "anger", "EB0"),
        ("samples/EB0_fear_90.wav", "fear", "EB0"),
        ("samples/IC0_happiness_2.wav", "joy", "IC0"),
        ("samples/IC0_neutral_3.wav", "neutral", "IC0"),
        ("samples/WR0_sadness_4.wav", "sadness", "WR0"),
        ("samples/WR0_surprised_64.wav", "surprise", "WR0"),
    ],
    "urdu": [
        ("Angry/SM1_F7_A07.wav", "anger", "SM1"),
        ("Happy/SF10_F9_H081.wav", "joy", "SF10"),
        ("Neutral/SM27_F1_N01.wav", "neutral", "SM27"),
        ("Sad/SM23_F1_S07.wav", "sadness", "SM23"),
    ],
    "emogator": [
        ("data/mp3/000001-02-1.mp3", "joy", "000001"),
        ("data/mp3/000001-03-1.mp3", "anger", "000001"),
        ("data/mp3/000001-10-2.mp3", "disgust", "000001"),
        ("data/mp3/000001-13-1.mp3", "joy", "000001"),
        ("data/mp3/000001-15-1.mp3", "fear", "000001"),
        ("data/mp3/000001-18-1.mp3", "neutral", "000001"),
        ("data/mp3/000001-24-3.mp3", "sadness", "000001"),
        ("data/mp3/000001-27-1.mp3", "surprise", "000001"),
        ("data/mp3/000357-28-1.mp3", "surprise", "000357"),
        ("data/mp3/000357-01-1.mp3", "other maps to none", ""),
        ("data/mp3/000357-30-1.mp3", "other maps to none", ""),
        ("data/mp3/000357-31-1.mp3", "file name not understood", ""),
    ],
    "cremad": [
        ("AudioWAV/1001_DFA_ANG_XX.wav", "anger", "1001"),
        ("AudioWAV/1001_IEO_DIS_HI.wav", "disgust", "1001"),
        ("AudioWAV/1002_IEO_FEA_LO.wav", "fear", "1002"),
        ("AudioWAV/1002_IEO_HAP_MD.wav", "joy", "1002"),
        ("AudioWAV/1091_IWL_NEU_XX.wav", "neutral", "1091"),
        ("AudioWAV/1040_ITH_SAD_X.wav", "sadness", "1040"),
    ],
    "grid": [("s1/bbaf2n.mpg", "neutral", "1"), ("id2_vcd_swwp2s.mp4", "neutral", "")],
    "yalefaces": [
        ("subject01.happy.png", "joy", "01"),
        ("subject01.normal.png", "neutral", "01"),
        ("subject15.sad.png", "sadness", "15"),
        ("subject15.surprised.png", "surprise", "15"),
        ("subject15.sleepy.png", "sleepy maps to none", ""),
        ("subject15.wink.png", "wink maps to none", ""),
    ],
}


@pytest.mark.parametrize("corpus", OFFICIAL)
def test_the_official_layout_is_read(corpus: str, write: Write, tmp_path: Path) -> None:
    for name, _, _ in OFFICIAL[corpus]:
        write(f"outer folder/{name}")
    write("outer folder/readme.txt", "words")
    reading = read(corpus, tmp_path, CORPORA[corpus].modalities[0])
    found = {i.key: (EMOTIONS[i.label], i.speaker) for i in reading.items}
    wanted = {
        f"outer folder/{name}": (emotion, speaker)
        for name, emotion, speaker in OFFICIAL[corpus]
        if emotion in EMOTIONS
    }
    assert found == wanted
    reasons = Counter(reason for _, reason, _ in OFFICIAL[corpus] if reason not in EMOTIONS)
    assert reading.dropped == reasons
    assert all(i.path == tmp_path / i.key and i.corpus == corpus for i in reading.items)


def test_every_code_of_every_corpus_leads_somewhere() -> None:
    schemes = {k.lower() for k, v in vars(named_corpora).items() if isinstance(v, NamedFiles)}
    assert set(OFFICIAL) == schemes
    for corpus in schemes:
        emotions = {EMOTIONS[n] for n in CORPORA[corpus].labels.values() if n is not None}
        assert emotions == {e for _, e, _ in OFFICIAL[corpus] if e in EMOTIONS}, corpus


def test_one_file_a_performance_and_the_best_for_the_modality(write: Write, tmp_path: Path) -> None:
    sound = write("Audio_Speech_Actors_01-24/Actor_01/03-01-05-01-01-01-01.wav")
    both = write("Video_Speech_Actor_01/Actor_01/01-01-05-01-01-01-01.mp4")
    write("Video_Speech_Actor_01/Actor_01/02-01-05-01-01-01-01.mp4")
    silent = write("Video_Speech_Actor_01/Actor_01/02-01-06-01-01-01-01.mp4")
    speech, face, clip = (read("ravdess", tmp_path, m) for m in ("speech", "face", "clip"))
    assert [i.path for i in speech.items] == [sound]
    assert speech.dropped == {"no sound": 2, "second file of the same performance": 1}
    assert [i.path for i in face.items] == [both, silent]
    assert face.dropped == {"no picture": 1, "second file of the same performance": 1}
    assert [i.path for i in clip.items] == [both]
    assert clip.dropped == {"no picture with sound": 3}


def test_the_least_compressed_sound_is_taken(write: Write, tmp_path: Path) -> None:
    write("AudioMP3/1001_DFA_ANG_XX.mp3")
    wav = write("AudioWAV/1001_DFA_ANG_XX.wav")
    flash = write("VideoFlash/1001_DFA_ANG_XX.flv")
    reading = read("cremad", tmp_path, "speech")
    assert [i.path for i in reading.items] == [wav]
    assert reading.items[0].text == "Don't forget a jacket."
    assert [i.path for i in read("cremad", tmp_path, "clip").items] == [flash]


def test_ravdess_has_sentences_and_folds(write: Write, tmp_path: Path) -> None:
    for actor in ("01", "02", "16", "17", "20", "21"):
        write(f"Actor_{actor}/03-01-05-01-02-01-{actor}.wav")
        write(f"Actor_{actor}/03-02-05-01-02-01-{actor}.wav")
    speakers = {
        split: [i.speaker for i in read("ravdess", tmp_path, "speech", split).items]
        for split in ("train", "dev", "test")
    }
    assert speakers == {"train": ["02", "16"], "dev": ["17", "20"], "test": ["21"]}
    assert read("ravdess", tmp_path, "speech", "dev").dropped == {"song": 2}
    everyone = read("ravdess", tmp_path, "speech").items
    assert [i.speaker_group for i in everyone][:2] == ["ravdess/01", "ravdess/02"]
    assert {i.text for i in everyone} == {"Dogs are sitting by the door."}
    with pytest.raises(MmerError, match=r"ravdess has no split val; it has train, dev, test, all"):
        read("ravdess", tmp_path, "speech", "val")


def test_frames_of_a_take_belong_together(write: Write, tmp_path: Path) -> None:
    for frame in ("03", "06"):
        write(f"anger/01-01-05-01-01-01-01_{frame}.jpg")
    items = read("ravdess", tmp_path, "face").items
    assert [EMOTIONS[i.label] for i in items] == ["anger", "anger"]
    assert len({i.dialogue for i in items}) == 1
    assert items[0].dialogue


def test_odd_names_and_links_are_borne(write: Write, tmp_path: Path) -> None:
    write("there/Actor_01/03-01-05-01-01-01-01.WAV")
    write("there/Actor_01/._03-01-05-01-01-01-02.wav")
    write("there/__MACOSX/Actor_01/03-01-05-01-01-01-03.wav")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/my data").symlink_to(tmp_path / "there")
    (tmp_path / "there/back").symlink_to(tmp_path / "here")  # a circle
    items = read("ravdess", tmp_path / "here", "speech").items
    assert [i.key for i in items] == ["my data/Actor_01/03-01-05-01-01-01-01.WAV"]


def test_the_root_may_be_the_folder_that_names_the_speaker(write: Write, tmp_path: Path) -> None:
    write("DC/a01.wav")
    assert [i.speaker for i in read("savee", tmp_path / "DC", "speech").items] == ["DC"]
    here = os.getcwd()
    try:
        os.chdir(tmp_path / "DC")
        assert [i.speaker for i in read("savee", Path(), "speech").items] == ["DC"]
    finally:
        os.chdir(here)


def test_a_second_copy_of_the_corpus_is_not_counted_twice(write: Write, tmp_path: Path) -> None:
    write("OAF_angry/OAF_back_angry.wav")
    write("TESS Toronto emotional speech set data/OAF_angry/OAF_back_angry.wav")
    reading = read("tess", tmp_path, "speech")
    assert [i.key for i in reading.items] == ["OAF_angry/OAF_back_angry.wav"]
    assert reading.dropped == {"second file of the same performance": 1}


def test_what_is_missing_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match="does not exist: give the folder of emodb"):
        read("emodb", tmp_path / "no", "speech")
    with pytest.raises(MmerError, match=r"is a file: give the folder of emodb"):
        read("emodb", write("a.csv", "x"), "speech")
    with pytest.raises(MmerError, match=r"named as in emodb: expected wav/03a01Fa\.wav"):
        read("emodb", tmp_path, "speech")
    write("song.wav")
    with pytest.raises(MmerError, match=r"named as in emodb"):
        read("emodb", tmp_path, "speech")
    write("03a01La.wav")
    with pytest.raises(MmerError, match=r"left out: .*boredom maps to none \(1\)"):
        read("emodb", tmp_path, "speech")
    write("Actor_01/03-01-05-01-01-01-01.wav")
    with pytest.raises(MmerError, match=r"for clip, split all; left out: .*no picture with sound"):
        read("ravdess", tmp_path, "clip")
    with pytest.raises(MmerError, match=r"nothing of ravdess .* split dev"):
        read("ravdess", tmp_path, "speech", "dev")
    with pytest.raises(
        MmerError, match="ravdess is not read for text; it is for speech, face, clip"
    ):
        read("ravdess", tmp_path, "text")
