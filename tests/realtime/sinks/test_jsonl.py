from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmer.models.errors import MmerError
from mmer.models.labels import EMOTIONS, MODALITIES
from mmer.realtime.messages import Gap, Health, Notice
from mmer.realtime.sinks.jsonl import JsonLines, LineWriter, encoded, line_for
from mmer.realtime.sinks.output import ReaderGone

EMOTION_KEYS = {
    "v", "type", "t", "window", "label", "confidence", "probs", "final", "provisional", "revised",
    "utterance", "modalities", "why", "latency_ms", "valence", "arousal", "derived",
}  # fmt: skip


def written(path: Path, make: SimpleNamespace, late_s: float | None = None) -> list[dict]:
    sink = JsonLines(str(path))
    sink.open(make.info(live=late_s is not None))
    for event in make.session():
        sink.write(event, None if late_s is None else 3.0 + late_s)
    sink.close(make.end)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_session_has_the_lines_of_the_format(tmp_path: Path, make: SimpleNamespace) -> None:
    lines = written(tmp_path / "out.jsonl", make)
    assert [line["type"] for line in lines] == [
        "session", "emotion", "partial", "emotion", "utterance", "emotion", "notice", "health",
        "emotion", "end",
    ]  # fmt: skip
    assert all(line["v"] == 1 for line in lines)
    first, last = lines[0], lines[-1]
    assert set(first) == {"v", "type", "utc", "source", "models", "provider", "config", "policy"}
    assert first["utc"] is None
    assert first["config"] == {"hop_s": 0.25, "longest_s": None, "modalities": ["speech", "text"]}
    assert last == {
        "v": 1, "type": "end", "t": 3.0, "utterances": 1, "emotions": 4,
        "drops": {"video": 2, "audio": 0},
    }  # fmt: skip


def test_an_emotion_line_with_a_label(make: SimpleNamespace) -> None:
    line = line_for(make.estimate(2.2, window=(0.5, 1.9), final=True, utterance=3), 2.1841)
    assert line is not None
    assert set(line) == EMOTION_KEYS
    assert line["t"] == 2.2
    assert line["window"] == [0.5, 1.9]
    assert (line["label"], line["confidence"], line["final"]) == ("joy", 0.7, True)
    assert list(line["probs"]) == list(EMOTIONS)
    assert line["probs"]["joy"] == 0.7
    assert line["probs"]["fear"] == 0.05
    assert line["utterance"] == 3
    assert list(line["modalities"]) == list(MODALITIES)
    assert line["modalities"]["speech"] == {"label": "joy", "weight": 0.5, "age_s": 0.1}
    assert line["modalities"]["face"] is None
    assert line["why"] == {"face": "no face"}
    assert line["latency_ms"] == 84.1  # written at 2.1841, newest evidence of 2.1
    assert (line["valence"], line["arousal"], line["derived"]) == (0.433, 0.433, True)


def test_an_emotion_line_without_a_label(make: SimpleNamespace) -> None:
    line = line_for(make.estimate(1.0, None, present=(), why={}), 1.1)
    assert line is not None
    assert set(line) == EMOTION_KEYS
    assert line["label"] is line["confidence"] is line["probs"] is line["latency_ms"] is None
    assert line["valence"] is line["arousal"] is None
    assert line["modalities"] == {"speech": None, "text": None, "face": None}
    # a reason stands under every null, also where the fusion has named none
    assert set(line["why"]) == {"label", "speech", "text", "face"}


def test_a_provisional_line_and_the_final_that_revises_it(make: SimpleNamespace) -> None:
    early = line_for(replace(make.estimate(2.0, utterance=3), provisional=True), None)
    late = line_for(replace(make.estimate(2.2, utterance=3, final=True), revised=True), None)
    keys = ("final", "provisional", "revised")
    assert [early[key] for key in keys] == [False, True, False]
    assert [late[key] for key in keys] == [True, False, True]


def test_a_transcript_that_has_not_changed_has_no_line(make: SimpleNamespace) -> None:
    partial = make.transcript(1, 0.0, 1.0, "what a day", partial=True)
    assert line_for(replace(partial, pause=True), None)["text"] == "what a day"
    assert line_for(replace(partial, pause=True, unchanged=True), None) is None


def test_every_emotion_line_has_a_reason_for_every_null(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    lines = [x for x in written(tmp_path / "out.jsonl", make) if x["type"] == "emotion"]
    assert lines
    for line in lines:
        assert set(line) == EMOTION_KEYS
        assert (line["label"] is None) == ("label" in line["why"])
        for modality in MODALITIES:
            assert (line["modalities"][modality] is None) == (modality in line["why"])


def test_replay_has_no_wall_clock_value(tmp_path: Path, make: SimpleNamespace) -> None:
    lines = written(tmp_path / "out.jsonl", make)
    health = next(line for line in lines if line["type"] == "health")
    assert health["queue"] == {"audio": None, "video": None}
    assert health["latency_ms"] == {"speech": None, "text": None, "face": None}
    assert health["drops"] == {"video": 2}
    assert health["gap_s"] == 0.12
    assert all(line["latency_ms"] is None for line in lines if line["type"] == "emotion")


def test_live_has_utc_latency_and_queue_ages(tmp_path: Path, make: SimpleNamespace) -> None:
    lines = written(tmp_path / "out.jsonl", make, late_s=0.0)
    assert lines[0]["utc"] == "2026-11-21T12:00:00.250+00:00"
    health = next(line for line in lines if line["type"] == "health")
    assert health["queue"] == {"audio": 0.012, "video": None}
    assert health["latency_ms"] == {"speech": 80.0, "text": None, "face": None}
    final = next(line for line in lines if line["type"] == "emotion" and line["final"])
    assert final["latency_ms"] == 900.0
    partial = next(line for line in lines if line["type"] == "partial")
    assert partial == {"v": 1, "type": "partial", "id": 1, "t": 3.0, "text": "what a"}


def test_a_final_transcript_is_an_utterance_line(make: SimpleNamespace) -> None:
    assert line_for(make.transcript(3, 4.12, 6.4004, "oh “no”"), None) == {
        "v": 1, "type": "utterance", "id": 3, "t0": 4.12, "t1": 6.4, "text": "oh “no”",
        "asr": "vosk", "confidence": 0.93,
    }  # fmt: skip
    unsure = replace(make.transcript(3, 4.12, 6.4, "oh"), confidence=None)
    line = line_for(unsure, None)
    assert line is not None
    assert line["confidence"] is None


def test_a_gap_becomes_a_notice() -> None:
    lost = line_for(Gap("audio", 4.0, 4.125, "overflow"), None)
    assert lost == {
        "v": 1, "type": "notice", "t": 4.125, "level": "warning", "about": "audio",
        "text": "lost 0.125 s from 4.000 s: overflow",
    }  # fmt: skip
    never = line_for(Gap("video", 0.0, float("inf"), "the file has no picture"), None)
    assert never is not None
    assert (never["level"], never["t"]) == ("info", 0.0)
    assert never["text"] == "the file has no picture"


def test_events_without_a_line(make: SimpleNamespace) -> None:
    assert line_for(make.frame(1.0), None) is None
    assert line_for(make.face(1.0), None) is None


def test_t_never_decreases(tmp_path: Path, make: SimpleNamespace) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonLines(str(path))
    sink.open(make.info())
    sink.write(make.estimate(6.5), None)
    sink.write(make.transcript(1, 4.0, 5.1, "late", partial=True), None)
    sink.write(Notice(6.0, "info", "x", "y"), None)
    sink.write(make.estimate(6.75), None)
    sink.close(make.end)  # ends at 3.0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["t"] for line in lines[1:]] == [6.5, 6.5, 6.5, 6.75, 6.75]


@pytest.mark.parametrize("t0", [0.0, 100.0])
def test_evidence_keeps_its_capture_time_where_t_is_raised(
    make: SimpleNamespace, t0: float
) -> None:
    writer = LineWriter(t0)
    writer.event(make.transcript(1, 4.0, 5.3, "late", partial=True), None)
    for decided in (5.01, 5.2, 5.4):  # with evidence captured 0.1 s before
        line = json.loads(writer.event(make.estimate(decided), None) or b"")
        assert line["t"] == pytest.approx(t0 + max(5.3, decided))
        assert line["modalities"]["face"] is None
        for modality in ("speech", "text"):
            captured = line["t"] - line["modalities"][modality]["age_s"]
            assert captured == pytest.approx(t0 + decided - 0.1)


def test_the_same_events_give_the_same_bytes(tmp_path: Path, make: SimpleNamespace) -> None:
    written(tmp_path / "a.jsonl", make)
    written(tmp_path / "b.jsonl", make)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_every_line_is_there_at_once(tmp_path: Path, make: SimpleNamespace) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonLines(str(path))
    sink.open(make.info())
    for count in range(1, 4):
        data = path.read_bytes()
        assert data.endswith(b"\n")
        assert len(data.splitlines()) == count
        sink.write(make.estimate(float(count)), None)
    sink.close(None)
    types = [json.loads(line)["type"] for line in path.read_bytes().splitlines()]
    assert types == ["session", "emotion", "emotion", "emotion"]  # no end: it did not end in order


def test_no_character_can_split_a_line(make: SimpleNamespace) -> None:
    text = "a\nb\u2028c\x85d\ud800é"
    line = line_for(make.transcript(1, 0.0, 1.0, text), None)
    assert line is not None
    data = encoded(line)
    assert len(data.decode().splitlines()) == 1
    assert json.loads(data)["text"] == text


def test_nan_is_refused_and_infinity_in_health_is_null(make: SimpleNamespace) -> None:
    broken = replace(make.estimate(1.0), probs=np.full(7, np.nan, np.float32))
    line = line_for(broken, None)
    assert line is not None
    with pytest.raises(ValueError, match="JSON compliant"):
        encoded(line)
    health = line_for(Health(1.0, {}, {"audio": float("inf")}, 0.0), 1.0)
    assert health is not None
    assert health["queue"] == {"audio": None}


def test_there_is_no_negative_zero(make: SimpleNamespace) -> None:
    line = line_for(make.estimate(0.0, window=(-0.0001, 0.0)), None)
    assert line is not None
    assert b"-0.0" not in encoded({"window": line["window"]})


@pytest.mark.parametrize(
    ("path", "says"),
    [("none/out.jsonl", "there is no folder"), (".", "is a folder"), ("file/out", "not a folder")],
)
def test_paths_that_cannot_be_written(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MmerError, match=says):
        JsonLines(str(tmp_path / path))
    assert not (tmp_path / "none").exists()


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(MmerError, match="not writable"):
        JsonLines(str(tmp_path / "out.jsonl"))


def test_the_input_is_not_overwritten(tmp_path: Path, make: SimpleNamespace) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"precious")
    sink = JsonLines(str(clip))
    with pytest.raises(MmerError, match="the input itself"):
        sink.open(make.info(source={"kind": "file", "path": str(clip)}))
    assert clip.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["out.jsonl", "/dev/null"])
def test_a_session_of_devices_replaces_a_file_that_exists(
    tmp_path: Path, make: SimpleNamespace, name: str
) -> None:
    path = tmp_path / name
    if name == "out.jsonl":
        path.write_text("yesterday's")
    sink = JsonLines(str(path))
    sink.open(make.info(live=True, source={"kind": "device", "name": ["a microphone", "camera 0"]}))
    sink.close(make.end)
    if name == "out.jsonl":
        assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == [
            "session",
            "end",
        ]


def test_a_file_that_is_a_camera_is_not_overwritten(tmp_path: Path, make: SimpleNamespace) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"precious")
    with pytest.raises(MmerError, match="the input itself"):
        JsonLines(str(clip)).open(make.info(source={"kind": "device", "name": ["mic", str(clip)]}))
    assert clip.read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
@pytest.mark.parametrize("done", ["moved", "removed", "moved and made anew", "truncated"])
def test_a_log_that_another_program_rotates_goes_on_under_its_name(
    tmp_path: Path, make: SimpleNamespace, done: str
) -> None:
    path, old = tmp_path / "out.jsonl", tmp_path / "out.jsonl.1"
    sink = JsonLines(str(path))
    sink.open(make.info())
    sink.write(make.estimate(1.0), None)
    if done == "truncated":  # logrotate's copytruncate
        os.truncate(path, 0)
    elif done == "removed":
        path.unlink()
    else:
        path.rename(old)
        if done.endswith("anew"):
            path.touch()
    for t in (2.0, 3.0):
        sink.write(make.estimate(t), None)
    sink.close(make.end)
    content = path.read_bytes()
    assert b"\0" not in content  # no hole where the lines before it were
    lines = [json.loads(line) for line in content.splitlines()]
    assert [line["type"] for line in lines] == ["session", "notice", "emotion", "emotion", "end"]
    assert (lines[1]["level"], lines[1]["about"], lines[1]["t"]) == ("warning", "output", 1.0)
    assert "by another program" in lines[1]["text"]
    if old.exists():
        assert len(old.read_bytes().splitlines()) == 2


def test_a_log_whose_whole_folder_was_moved_goes_on_there(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    sink = JsonLines(str(folder / "out.jsonl"))
    sink.open(make.info())
    folder.rename(tmp_path / "moved")
    sink.write(make.estimate(1.0), None)
    sink.close(make.end)
    lines = (tmp_path / "moved/out.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["session", "emotion", "end"]


def test_a_file_system_without_stable_numbers_is_not_taken_for_a_rotation(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    kinds = [line["type"] for line in written(tmp_path / "out.jsonl", make)]
    assert kinds.count("session") == 1
    assert kinds[-1] == "end"


def test_a_name_that_cannot_be_looked_up_is_not_taken_for_a_rotation(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonLines(str(path))
    sink.open(make.info())

    def lookup(name: str) -> os.stat_result:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lookup)
        sink.write(make.estimate(1.0), None)
    sink.close(make.end)
    kinds = [json.loads(line)["type"] for line in path.read_text().splitlines()]
    assert kinds == ["session", "emotion", "end"]


def test_lines_of_another_program_in_the_same_file_are_kept(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    path = tmp_path / "out.jsonl"
    sink = JsonLines(str(path))
    sink.open(make.info())
    with path.open("ab") as other:
        other.write(b'{"marker":"the task begins"}\n')
    sink.write(make.estimate(1.0), None)
    sink.close(make.end)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("type", "marker") for line in lines] == ["session", "marker", "emotion", "end"]


def test_a_file_is_kept_until_the_session_opens(tmp_path: Path, make: SimpleNamespace) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    sink = JsonLines(str(path))
    assert path.read_text() == "old"
    sink.open(make.info())
    sink.close(make.end)
    assert path.read_text().startswith('{"v":1,"type":"session"')


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_the_users_error(make: SimpleNamespace) -> None:
    sink = JsonLines("/dev/full")
    with pytest.raises(MmerError, match="No space left"):
        sink.open(make.info())
    sink.close(make.end)  # says nothing more


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the file's size")
def test_what_a_full_disk_cut_short_is_taken_back(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from mmer.models.errors import MmerError
from mmer.realtime.messages import Notice
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.sink import SessionInfo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sink = JsonLines(sys.argv[1])
sink.open(SessionInfo(None, {}, {}, {}, {}))
try:
    while True:
        sink.write(Notice(1.0, "info", "test", "x" * 50), None)
except MmerError as error:
    sink.close(None)
    print(error)
"""
    path = tmp_path / "out.jsonl"
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert "cannot write" in run.stdout, run.stderr
    data = path.read_bytes()
    assert 700 < len(data) <= 1000
    assert all(json.loads(line)["v"] == 1 for line in data.splitlines())
    assert data.endswith(b"\n")


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes], make: SimpleNamespace) -> None:
    sink = JsonLines("-")
    sink.open(make.info())
    sink.write(make.estimate(1.0), None)
    assert len(capfdbinary.readouterr().out.splitlines()) == 2
    sink.close(make.end)
    assert json.loads(capfdbinary.readouterr().out)["type"] == "end"


def test_a_reader_that_has_gone(monkeypatch: pytest.MonkeyPatch, make: SimpleNamespace) -> None:
    reading, writing = os.pipe()
    with io.TextIOWrapper(os.fdopen(writing, "wb")) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        sink = JsonLines("-")
        sink.open(make.info())
        os.close(reading)
        with pytest.raises(ReaderGone):
            sink.write(make.estimate(1.0), None)
        sink.close(make.end)  # quiet
        stdout.write("and Python's last flush finds nothing broken")
        stdout.flush()
