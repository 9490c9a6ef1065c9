"""Recordings: one timeline, the same estimates, nothing but their own files deleted."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sounds import silence, voice

import mmer
from mmer.models.errors import MmerError
from mmer.realtime import recorder as module
from mmer.realtime.clock import ManualClock
from mmer.realtime.commands import live_command
from mmer.realtime.messages import AudioBlock, Gap, Notice, SessionEnd, VideoFrame
from mmer.realtime.open_sources import open_sources
from mmer.realtime.options import Options
from mmer.realtime.recorder import Recorder
from mmer.realtime.recordings import LINES, MEDIA, check_folder, expire, header, media_of
from mmer.realtime.sinks.sink import SessionInfo
from mmer.realtime.sources.media import MediaFile

END = SessionEnd(2.0, 0, 0, {})


def info(**changes: Any) -> SessionInfo:
    values: dict[str, Any] = {"streams": frozenset({"audio", "video"}), **changes}
    return SessionInfo(None, {"kind": "device"}, {}, {}, {"video_fps": 20.0}, **values)


def frame(t: float, size: tuple[int, int] = (48, 64), shade: int | None = None) -> VideoFrame:
    value = round(t * 100) % 200 if shade is None else shade
    return VideoFrame(t, np.full((*size, 3), value, np.uint8))


def blocks(sound: np.ndarray, t0: float) -> list[AudioBlock]:
    return [AudioBlock(t0 + i / 16_000, sound[i : i + 320]) for i in range(0, len(sound), 320)]


def recorded(folder: Path, messages: list[Any], **options: Any) -> Recorder:
    made = Recorder(folder, **options)
    made.open(made.described(info()))
    for message in messages:
        made.capture(message)
    made.close(END)
    assert made.problem is None
    return made


def played(folder: Path) -> list[Any]:
    source = MediaFile(folder / MEDIA, video_fps=None, zero_s=0.0)
    source.open(ManualClock())
    try:
        return list(source.messages())
    finally:
        source.close()


def sound_of(messages: list[Any]) -> np.ndarray:
    return np.concatenate([m.samples for m in messages if isinstance(m, AudioBlock)])


def test_sound_and_frames_come_back_on_the_sessions_timeline(tmp_path: Path) -> None:
    spoken = voice(1.0)
    times = [0.337 + i * 0.05 for i in range(20)]
    recorded(tmp_path / "r", [*blocks(spoken, 0.21), *map(frame, times)])
    got = played(tmp_path / "r")
    assert not [m for m in got if isinstance(m, Gap | Notice)]
    first = next(m for m in got if isinstance(m, AudioBlock))
    assert first.t0 == pytest.approx(0.21, abs=0.001)
    np.testing.assert_array_equal(sound_of(got), spoken)  # FLAC loses nothing
    frames = [m for m in got if isinstance(m, VideoFrame)]
    assert [m.t for m in frames] == pytest.approx(times, abs=0.001)
    for m in frames:
        assert abs(float(m.image.mean()) - round(m.t * 100) % 200) < 4


def test_a_hole_stays_a_hole(tmp_path: Path) -> None:
    before, after = voice(0.5), voice(0.3)
    recorded(tmp_path / "r", [*blocks(before, 0.0), *blocks(after, 1.5), frame(0.1)])
    (gap,) = [m for m in played(tmp_path / "r") if isinstance(m, Gap) and m.t1 < 9]
    assert (gap.stream, gap.t0, gap.t1) == ("audio", pytest.approx(0.5, abs=0.02), 1.5)


def test_sound_whose_time_moves_back_does_not_end_the_recording(tmp_path: Path) -> None:
    spoken = [voice(0.5), voice(0.5), voice(0.5)]
    starts = (0.0, 0.4, 0.7)  # a microphone's run that was anchored late, an overlap
    sound = [block for part, t0 in zip(spoken, starts, strict=True) for block in blocks(part, t0)]
    recorded(tmp_path / "r", [*sound, frame(0.1)])
    got = [m for m in played(tmp_path / "r") if isinstance(m, AudioBlock)]
    np.testing.assert_array_equal(sound_of(got)[:8000], spoken[0])
    assert got[-1].t1 == pytest.approx(1.2, abs=0.05)


def test_frames_of_odd_and_of_changing_sizes(tmp_path: Path) -> None:
    sizes = [(47, 63), (48, 64), (96, 128), (47, 63)]
    frames = [frame(0.1 * i, size) for i, size in enumerate(sizes)]
    recorded(tmp_path / "r", [*blocks(silence(0.5), 0.0), *frames])
    got = [m.image.shape for m in played(tmp_path / "r") if isinstance(m, VideoFrame)]
    assert got == [(48, 64, 3)] * 4


def test_whatever_the_encoding_raises_ends_the_recording_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    made = Recorder(tmp_path / "r")
    made.open(made.described(info()))
    odd = VideoFrame(0.2, np.zeros((0, 64, 3), np.uint8))  # OpenCV raises an error of its own
    for message in (*blocks(silence(0.5), 0.0), frame(0.1), odd):
        made.capture(message)
    until = time.monotonic() + 5.0
    while made.problem is None and time.monotonic() < until:
        time.sleep(0.01)
    assert made.problem is not None
    assert len(str(made.problem).splitlines()) == 1
    for i in range(5000):  # in replay a mailbox waits for room
        made.capture(frame(0.3 + i * 0.05))
    made.close(END)


def test_a_camera_without_frames_does_not_hold_the_sound_back(tmp_path: Path) -> None:
    sound = voice(7.0)
    recorded(tmp_path / "r", [*blocks(sound, 0.0), frame(6.9)])
    got = played(tmp_path / "r")
    np.testing.assert_array_equal(sound_of(got), sound)
    assert [m.t for m in got if isinstance(m, VideoFrame)] == [6.9]


def test_sound_from_before_the_session_is_left_out(tmp_path: Path) -> None:
    """A program may push what it heard a moment before: its times lie before second 0."""
    sound = voice(1.0)
    recorded(tmp_path / "r", [*blocks(sound, -0.31), frame(0.5)])
    got = [m for m in played(tmp_path / "r") if isinstance(m, AudioBlock)]
    assert got[0].t0 == 0.0
    np.testing.assert_array_equal(sound_of(got)[:11_000], sound[4960 : 4960 + 11_000])


def test_a_recording_of_nothing_says_so(tmp_path: Path) -> None:
    made = Recorder(tmp_path / "r")
    made.open(made.described(info(streams=frozenset({"video"}))))
    made.close(END)
    assert str(made.problem) == f"--record {tmp_path / 'r'}: nothing came to record"
    assert not (tmp_path / "r" / MEDIA).exists()


def test_at_most_a_minute_of_sound_waits_however_long_its_blocks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    add = module._Media.add_sound
    monkeypatch.setattr(module._Media, "add_sound", lambda s, m: (go.wait(10), add(s, m)))
    made = Recorder(tmp_path / "r")
    made.open(made.described(info(origin=0.0)))
    for second in range(100):
        made.capture(AudioBlock(second, silence(1.0)))
    go.set()
    made.close(END)
    assert made.drops["record audio"] in (39, 40)  # one may be in work


def test_leaving_with_a_suspended_iterator_closes_the_recording(
    tmp_path: Path, short_clip: Path
) -> None:
    before = threading.active_count()
    folder = tmp_path / "r"
    options: dict[str, Any] = {"modalities": ("speech",), "asr": "none", "record": folder}
    with mmer.Recognizer(short_clip, offline=True, **options) as recognizer:
        events = recognizer.events()
        while not isinstance(event := next(events), mmer.EmotionEstimate) or event.t < 1.0:
            pass
    assert threading.active_count() == before
    assert sound_of(played(folder)).any()
    assert list(events) == []


def test_the_header_has_consent_and_expiry(tmp_path: Path) -> None:
    recorded(tmp_path / "r", blocks(silence(0.1), 0.0), consent="P7, form 3", keep_days=2)
    line = header(tmp_path / "r")
    assert line is not None
    about = line["recording"]
    assert about["consent"] == "P7, form 3"
    began, until = (datetime.fromisoformat(about[k]) for k in ("began", "delete_after"))
    assert until - began == timedelta(days=2)
    recorded(tmp_path / "s", blocks(silence(0.1), 0.0))
    line = header(tmp_path / "s")
    assert line is not None
    assert line["recording"]["consent"] == "not stated"
    assert line["recording"]["delete_after"] is None


def test_the_oldest_gives_way_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr(module, "_VIDEO_BYTES", 0)  # eight frames
    add = module._Media.add_frame
    monkeypatch.setattr(module._Media, "add_frame", lambda s, m: (go.wait(10), add(s, m)))
    made = Recorder(tmp_path / "r")
    made.open(made.described(info(origin=0.0)))  # live: a device cannot wait
    for message in [*blocks(silence(0.5), 0.0), *(frame(0.05 * i) for i in range(20))]:
        made.capture(message)
    go.set()
    made.close(END)
    assert made.drops["record audio"] == 0
    assert made.drops["record video"] in (11, 12)  # one may be in work
    assert [m.t for m in played(tmp_path / "r") if isinstance(m, VideoFrame)][-1] == 0.95


def test_a_full_disk_costs_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mux = module._Media._mux
    left = iter(range(30))

    def full(self: Any, packets: Any) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        mux(self, packets)

    monkeypatch.setattr(module._Media, "_mux", full)
    made = Recorder(tmp_path / "r")
    made.open(made.described(info()))
    made.capture(frame(0.0))
    for block in blocks(voice(2.0), 0.0):
        made.capture(block)
    until = time.monotonic() + 10
    while made.problem is None and time.monotonic() < until:
        time.sleep(0.01)
    made.capture(frame(1.0))  # ignored
    made.write(Notice(1.0, "info", "x", "y"), None)
    made.close(END)
    text = str(made.problem)
    assert text == (
        f"the recording to {tmp_path / 'r'} stopped: No space left on device; "
        "what was recorded stays"
    )
    assert len(sound_of(played(tmp_path / "r"))) >= 20 * 320


@pytest.mark.parametrize("there", ["session", "files", "file", "no parent"])
def test_a_folder_that_cannot_be_recorded_to_is_one_line(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "r"
    if there == "session":
        recorded(folder, blocks(silence(0.1), 0.0))
    elif there == "files":
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    elif there == "file":
        folder.write_text("mine")
    else:
        folder = folder / "s" / "t"
    before = sorted(tmp_path.rglob("*"))
    says = {
        "session": "holds another session",
        "files": "holds other files",
        "file": "is a file",
        "no parent": "there is no folder",
    }[there]
    with pytest.raises(MmerError, match=says) as wrong:
        mmer.Recognizer("talk.mp4", record=folder).prepare()
    assert "\n" not in str(wrong.value)
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"consent": "x"}, "--consent is about a recording"),
        ({"keep_days": 3.0}, "--keep-days is about a recording"),
        ({"record": Path("x"), "keep_days": -1.0}, "--keep-days is -1"),
        ({"record": Path("x"), "policy": "no-store"}, "leave out --record x"),
    ],
)
def test_options_of_a_recording_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(MmerError, match=says):
        Options(**options)


def test_only_own_recordings_that_are_over_are_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = blocks(silence(0.1), 0.0)
    for name, days in (("old", 0.5), ("noted", 0.5), ("new", 2.0), ("kept", None)):
        recorded(tmp_path / name, quiet, keep_days=days)
    (tmp_path / "noted" / "notes.txt").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / LINES).write_text('{"v":1,"type":"session"}\n')
    (tmp_path / "other" / MEDIA).write_bytes(b"mine")
    away = tmp_path.parent / f"{tmp_path.name}-away"
    recorded(away, quiet, keep_days=0.5)
    (tmp_path / "link").symlink_to(away)
    lines = (tmp_path / "kept" / LINES).read_bytes()
    until = datetime.now(timezone.utc) + timedelta(days=1)
    gone = expire(tmp_path, until)
    assert [path.name for path in gone] == ["noted", "old"]
    assert not (tmp_path / "old").exists()
    assert [p.name for p in (tmp_path / "noted").iterdir()] == ["notes.txt"]
    assert (tmp_path / "other" / MEDIA).read_bytes() == b"mine"
    assert (away / MEDIA).exists()
    assert (tmp_path / "kept" / LINES).read_bytes() == lines
    assert (tmp_path / "new" / MEDIA).exists()
    assert live_command.run(["expire", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    with pytest.raises(MmerError, match="usage: mmer-live expire FOLDER"):
        live_command.run(["expire"])


def test_what_is_still_recorded_is_not_deleted(tmp_path: Path) -> None:
    made = Recorder(tmp_path / "r", keep_days=0.0)
    made.open(made.described(info()))
    assert expire(tmp_path) == []
    later = datetime.now(timezone.utc) + timedelta(minutes=2)
    made.capture(frame(0.0))
    made.close(None)  # cut short: nothing is written any more
    assert made.problem is None
    assert expire(tmp_path) == []
    assert expire(tmp_path, later) == [tmp_path / "r"]


def test_the_next_recording_deletes_what_has_expired_beside_it(tmp_path: Path) -> None:
    recorded(tmp_path / "old", blocks(silence(0.1), 0.0), keep_days=0.0)
    made = Recorder(tmp_path / "new")
    notices = made.open(made.described(info()))
    made.close(END)
    assert "old was past its --keep-days and is deleted" in notices[0].text
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize(
    ("drops", "says"),
    [
        ({"video": 0, "face": 0, "pictures": 7}, ""),
        ({"video": 12, "face": 0, "record video": 3}, "dropped video 12, record video 3: there"),
        (None, "was cut short"),
    ],
)
def test_a_replay_says_why_it_can_differ(
    tmp_path: Path, drops: dict[str, int] | None, says: str
) -> None:
    made = Recorder(tmp_path / "r")
    made.open(made.described(info()))
    made.capture(blocks(voice(0.5), 0.0)[0])
    made.close(None if drops is None else SessionEnd(1.0, 0, 0, drops))
    options = Options(source=media_of(str(tmp_path / "r")), modalities=("speech",), pace="max")
    sources, notices = open_sources(options, ManualClock())
    sources[0].close()
    assert [says in notice.text for notice in notices] == ([True] if says else [])


def test_other_folders_are_no_recordings(tmp_path: Path) -> None:
    assert media_of(str(tmp_path)) == str(tmp_path)
    assert media_of("http://x/y") == "http://x/y"
    assert media_of("\0") == "\0"


@pytest.mark.parametrize("form", [str, lambda folder: folder.as_uri()])
def test_the_command_plays_a_recording_however_its_folder_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    recorded(tmp_path / "r", blocks(silence(0.5), 0.0))
    options = ["--modalities", "speech", "--asr", "none", "--pace", "max", "--output", "-"]
    assert live_command.run([form(tmp_path / "r"), *options]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["source"]["name"] == str(tmp_path / "r" / MEDIA)


def finals(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["type"] == "end"
    return [line for line in lines if line["type"] == "emotion" and line["final"]]


@pytest.mark.slow
def test_a_recording_replays_to_the_same_estimates(tmp_path: Path, short_clip: Path) -> None:
    def run(source: Path, **options: Any) -> None:
        mmer.Recognizer(source, asr="none", pace="max", **options).run(
            outputs=[str(tmp_path / f"{source.stem}.jsonl")]
        )

    run(short_clip, record=tmp_path / "r")
    run(tmp_path / "r")
    live, again = finals(tmp_path / "r" / LINES), finals(tmp_path / "r.jsonl")
    assert live == finals(tmp_path / "short.jsonl")
    assert [(f["label"], f["window"]) for f in live] == [(f["label"], f["window"]) for f in again]
    for one, other in zip(live, again, strict=True):
        for label, p in (one["probs"] or {}).items():
            assert other["probs"][label] == pytest.approx(p, abs=0.02)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
def test_the_program_with_a_full_disk(tmp_path: Path, short_clip: Path) -> None:
    """A limit on the size of files stands in: one line, and the rest of the session goes on."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); "
        "from mmer.realtime.commands.live import main; main(sys.argv[1:])"
    )
    options = ["--pace", "max", "--asr", "none", "--quiet", "--record", str(tmp_path / "r")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(short_clip), *options],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "stopped: File too large; what was recorded stays" in line
    got = played(tmp_path / "r")
    assert len(sound_of(got)) > 4_000
    assert any(isinstance(m, VideoFrame) for m in got)


@pytest.mark.slow
def test_recording_costs_a_part_of_a_core(tmp_path: Path) -> None:
    """VGA at 20 frames a second with a webcam's noise: the least of three runs of 2 s.

    0.05 to 0.1 where nothing else runs, more beside other tests.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:480, :640]
    scene = (100 + 40 * np.sin(x / 40) + 40 * np.cos(y / 30))[..., None]
    images = [
        np.clip(scene + rng.normal(0, 2, (480, 640, 3)), 0, 255).astype(np.uint8) for _ in range(20)
    ]
    messages = [*blocks(voice(2.0), 0.0)]
    messages += [VideoFrame(0.05 * i, images[i % 20]) for i in range(40)]  # type: ignore[misc]
    costs = []
    for run in range(3):
        began = time.process_time()
        recorded(tmp_path / str(run), messages)
        costs.append((time.process_time() - began) / 2.0)
    print(f"recording: {min(costs):.3f} CPU seconds a second")
    assert min(costs) <= 0.25
