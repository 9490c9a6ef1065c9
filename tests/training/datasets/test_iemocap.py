from collections.abc import Callable
from pathlib import Path

import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS
from mmer.training.datasets.iemocap import CODES
from mmer.training.datasets.label_names import LABELS
from mmer.training.datasets.registry import read

Write = Callable[..., Path]
LABELLED = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[8.0000 - 9.0000]\tSes01F_impro01_M000\texc\t[2.5000, 2.5000, 2.5000]
C-E1:\tHappiness;\t()
A-E3:\tval 2; act 4; dom  4;\t()

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
[9.5000 - 9.9000]\tSes01F_impro01_F001\txxx\t[2.5000, 2.5000, 2.5000]
[10.000 - 12.000]\tSes01F_impro01_M001\tfru\t[2.5000, 2.5000, 2.5000]
[12.500 - 13.000]\tSes01F_impro01_F002\tsur\t[2.5000, 2.5000, 2.5000]
"""
SAID = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M000 [008.0000-009.0000]: Do you have your forms?
Ses01F_impro01_F001 [009.5000-009.9000]: Yeah.
Ses01F_impro01_MXX0 [009.9100-009.9500]: [LAUGHTER]
M: not a line of the dialogue
Ses01F_impro01_M001 [010.0000-012.0000]: Let me see them.
Ses01F_impro01_F002 [012.5000-013.0000]: What?
"""


def release(write: Write, outer: str = "IEMOCAP_full_release/") -> None:
    session = f"{outer}Session1/"
    write(f"{session}dialog/EmoEvaluation/Ses01F_impro01.txt", LABELLED.replace("\n", "\r\n"))
    write(f"{session}dialog/EmoEvaluation/._Ses01F_impro01.txt", b"\x00\x05")
    write(f"{session}dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt", "other")
    write(f"{session}dialog/transcriptions/Ses01F_impro01.txt", SAID)
    for utterance in ("F000", "M000", "F002"):
        name = f"Ses01F_impro01_{utterance}"
        write(f"{session}sentences/wav/Ses01F_impro01/{name}.wav")


@pytest.mark.parametrize("outer", ["IEMOCAP/IEMOCAP_full_release/", "IEMOCAP_full_release/", ""])
def test_dialogues_are_read_in_the_order_of_speaking(
    outer: str, write: Write, tmp_path: Path
) -> None:
    release(write, outer)
    reading = read("iemocap", tmp_path, "text")
    f0, m0, f2 = reading.items
    assert [EMOTIONS[i.label] for i in reading.items] == ["neutral", "joy", "surprise"]
    assert f0.past == ()
    assert m0.past == ("Excuse me.",)
    assert f2.past[-3:] == ("Yeah.", "[LAUGHTER]", "Let me see them.")
    assert [i.speaker_group for i in reading.items] == [
        "iemocap/Ses01F",
        "iemocap/Ses01M",
        "iemocap/Ses01F",
    ]
    assert f0.dialogue_group == "iemocap/session1/Ses01F_impro01"
    assert reading.dropped == {"no agreement maps to none": 1, "frustration maps to none": 1}


def test_speech_needs_sounds_and_no_transcripts(write: Write, tmp_path: Path) -> None:
    release(write)
    root = tmp_path / "IEMOCAP_full_release"
    items = read("iemocap", root, "speech", "session1").items
    assert [i.path.name for i in items if i.path] == [
        "Ses01F_impro01_F000.wav",
        "Ses01F_impro01_M000.wav",
        "Ses01F_impro01_F002.wav",
    ]
    (root / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    (root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav").unlink()
    reading = read("iemocap", root, "speech", "session1")
    assert [i.key for i in reading.items] == ["Ses01F_impro01_F000", "Ses01F_impro01_F002"]
    assert reading.dropped["no clip"] == 1
    with pytest.raises(MmerError, match=r"transcriptions/Ses01F_impro01\.txt is missing"):
        read("iemocap", root, "text")


def test_every_code_leads_somewhere() -> None:
    assert {EMOTIONS[n] for c in CODES.values() if (n := LABELS[c]) is not None} == set(EMOTIONS)
    assert {c for c in CODES if LABELS[CODES[c]] is None} == {"fru", "oth", "xxx"}


def test_what_is_missing_or_strange_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MmerError, match=r"no session of iemocap in .*EmoEvaluation"):
        read("iemocap", tmp_path, "text")
    release(write)
    with pytest.raises(MmerError, match="no session2 of iemocap"):
        read("iemocap", tmp_path, "text", "session2")
    for path in (tmp_path / "IEMOCAP_full_release/Session1/sentences").rglob("*.wav"):
        path.unlink()
    with pytest.raises(MmerError, match="no sound of iemocap below"):
        read("iemocap", tmp_path, "speech")
    labels = tmp_path / "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    labels.write_text("[1.0 - 2.0]\tSes01F_impro01_F000\tzzz\t[2, 2, 2]\n")
    with pytest.raises(MmerError, match=r"impro01\.txt, line 1: unknown emotion 'zzz'"):
        read("iemocap", tmp_path, "text")
