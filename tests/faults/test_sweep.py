"""Sweep of faults: every boundary fails at its n-th use, n = 1, 2, ... until nothing more fires.

As SQLite tests itself. A boundary is a call that leaves mmer's own code: a file or device, a
decoder, a network, a recognizer, the pool, an output, the clock, a thread. Each fails once or for
good, by an exception or by numbers that are none, in a replay and in a live session on a clock
that the devices step; after each run the same invariants hold.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from held import held_bytes
from injector import Injector
from invariants import check_events
from small_graph import Device, SteppedClock, small_graph, write_clip

from mmer.models.errors import MmerError
from mmer.realtime.assemble import Assembly
from mmer.realtime.blocks.guarded import Guarded
from mmer.realtime.clock import SessionClock
from mmer.realtime.commands.show import Views, show
from mmer.realtime.mailbox import Mailbox
from mmer.realtime.messages import (
    EmotionEstimate,
    Message,
    Notice,
    SessionEnd,
    VideoFrame,
)
from mmer.realtime.options import Options
from mmer.realtime.replay import Replay
from mmer.realtime.session import Session
from mmer.realtime.sinks import output as output_module
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sources import camera, media, retry, tracks
from mmer.realtime.sources.camera import Camera

LIMIT_S = 2.0
"""Beyond the length of the clip: how long a run with a fault may take to its end."""

SLACK = 16_000
"""Bytes that a session may hold beyond one without a fault: the sound of half a second."""


def _ffmpeg_error() -> Exception:
    import av

    return av.error.InvalidDataError(1094995529, "Invalid data found when processing input")


CUDA = RuntimeError("CUDA error: device lost\nand a long story")
DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


@dataclass(frozen=True)
class Boundary:
    """A boundary: how it fails (None: with numbers that are none), and what must be said.

    ``about`` is found in a notice; where it is empty the run may end with an error: an MmerError of
    one line or, where ``own`` is set, the runner's own.
    """

    name: str
    error: Callable[[], Exception] | None
    about: str = ""
    own: bool = False
    modality: str = ""  # that is there again after one failure
    refused: bool = False  # a file of which nothing can be decoded is


PARTS = [
    Boundary("vad", lambda: CUDA, "voice activity detection failed"),
    Boundary("asr", lambda: CUDA, "speech recognition failed", modality="text"),
    Boundary("speech", lambda: CUDA, "the speech model failed", modality="speech"),
    Boundary("speech", None, "the speech model failed", modality="speech"),
    Boundary("text", lambda: CUDA, "the text model failed", modality="text"),
    Boundary("text", None, "the text model failed", modality="text"),
    Boundary("detector", lambda: CUDA, "face detection failed", modality="face"),
    Boundary("detector", None, "face detection failed", modality="face"),
    Boundary("face", lambda: CUDA, "the face model failed", modality="face"),
    Boundary("face", None, "the face model failed", modality="face"),
    Boundary("fusion", lambda: CUDA, "the fusion failed"),
    Boundary("fusion", None, "the fusion failed"),
]
FILE_CALLS = ("open", "fstat", "stat", "write", "close")
OUTPUT = [Boundary(f"os.{name}", lambda: DISK_FULL) for name in FILE_CALLS]
REPLAY = [
    *PARTS,
    *OUTPUT,
    Boundary("opening", _ffmpeg_error),
    Boundary("demux", _ffmpeg_error, "what can be decoded is used", refused=True),
    Boundary("convert", _ffmpeg_error, "what can be decoded is used"),
    Boundary("convert", lambda: ValueError("no such format"), "what can be decoded is used"),
    Boundary("decode", _ffmpeg_error, "what can be decoded is used", refused=True),
]
LIVE = [
    *PARTS,
    *OUTPUT,
    Boundary("microphone opening", lambda: MmerError("no microphone"), "no microphone"),
    Boundary("camera opening", lambda: MmerError("no camera"), "no camera"),
    Boundary("microphone", lambda: OSError("unplugged"), "microphone failed"),
    Boundary("camera", lambda: OSError("unplugged"), "camera failed"),
    Boundary("clock", lambda: CUDA, own=True),
    Boundary("thread", lambda: RuntimeError("can't start new thread"), own=True),
]


class Recorder(Sink):
    def __init__(self) -> None:
        self.events: list[Message] = []
        self.end: SessionEnd | None = None

    def open(self, info: SessionInfo) -> None: ...

    def write(self, event: Message, now: float | None) -> None:
        self.events.append(event)

    def close(self, end: SessionEnd | None) -> None:
        self.end = end


@dataclass
class Run:
    """What a run gave: its events, lines, end, and the error that it raised.

    ``held`` is of the runner at its end: mailboxes, blocks, fusion and sources; 0: none was made.
    """

    events: list[Message]
    lines: list[dict[str, Any]]
    end: SessionEnd | None
    error: Exception | None
    took_s: float
    uses: Counter[str]  # of each boundary
    held: int  # bytes

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Rig:
    """The program, as `mmer-live` runs it, around the small graph and an injector."""

    def __init__(self, folder: Path, clip: Path, patch: pytest.MonkeyPatch) -> None:
        self.injector = Injector()
        self.runners: list[Replay | Session] = []
        self._clip, self._output = clip, folder / "out.jsonl"
        self._recorder = Recorder()
        self._patch(patch)

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        injector = self.injector

        def assembled(*args: object, **options: object) -> Assembly:
            with injector.paused():
                return Assembly(small_graph(injector), {}, {}, [])

        def opened(*args: Any) -> Any:
            injector.use("opening")
            return injector.container(real_container(*args))

        def counted(convert: Callable[..., Any]) -> Callable[..., Any]:
            def conversion(*args: Any) -> Any:
                injector.use("convert")
                return convert(*args)

            return conversion

        def started(thread: threading.Thread) -> None:
            if thread.name != "prepare":
                injector.use("thread")
            start(thread)

        def kept(kind: type[Any]) -> Callable[..., Any]:
            def make(*args: Any, **options: Any) -> Any:
                self.runners.append(kind(*args, **options))
                return self.runners[-1]

            return make

        def put(box: Mailbox[Any], message: object) -> None:
            put_in(box, message)
            assert len(box) <= box.capacity

        real_container, start, put_in = media.open_container, threading.Thread.start, Mailbox.put
        patch.setattr("mmer.realtime.assemble.assemble", assembled)
        patch.setattr(media, "open_container", opened)
        patch.setattr(tracks, "upright", counted(tracks.upright))
        patch.setattr(tracks.Resampler, "push", counted(tracks.Resampler.push))
        patch.setattr(output_module, "os", injector.spoiled("os", os, *FILE_CALLS))
        patch.setattr(
            "mmer.realtime.commands.show.make_sinks",
            lambda *args: ([JsonLines(str(self._output)), self._recorder], []),
        )
        patch.setattr("mmer.realtime.recognizer.SessionClock", lambda: SteppedClock(injector))
        patch.setattr(
            "mmer.realtime.sources.microphone.Microphone",
            lambda *args, **options: Device("audio", injector),
        )
        patch.setattr(
            "mmer.realtime.sources.camera.Camera",
            lambda *args, **options: Device("video", injector),
        )
        patch.setattr("mmer.realtime.replay.Replay", kept(Replay))
        patch.setattr("mmer.realtime.session.Session", kept(Session))
        patch.setattr(threading.Thread, "start", started)
        patch.setattr(Mailbox, "put", put)

    @cache  # noqa: B019  as long as the module
    def clean(self, live: bool) -> Run:
        """A run in which nothing fails."""
        self.injector.arm("", 0)
        run = self.run(live)
        assert run.error is None
        assert self.injector.fired == 0
        check(run)
        finals = [e for e in run.of(EmotionEstimate) if e.final]
        assert len(finals) == 2
        if not live:  # there a stage may be late
            assert all(all(e.modalities.values()) for e in finals)
        assert not [m for m in run.of(Notice) if m.level == "error"]
        return run

    def run(self, live: bool) -> Run:
        self._recorder.__init__()  # type: ignore[misc]
        self.runners.clear()
        self._output.unlink(missing_ok=True)
        options = Options(pace="real") if live else Options(str(self._clip), pace="max")
        error = None
        began = time.monotonic()
        try:
            show(options, Views())
        except Exception as problem:  # noqa: BLE001  handled by the caller
            error = problem
        took_s = time.monotonic() - began
        text = self._output.read_text() if self._output.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        recorder = self._recorder
        uses, held = Counter(self.injector.uses), held_bytes(*self.runners)
        return Run(recorder.events, lines, recorder.end, error, took_s, uses, held)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("sweep") / "clip.mkv")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[Rig]:
    with pytest.MonkeyPatch.context() as patch:
        yield Rig(tmp_path_factory.mktemp("rig"), clip, patch)


def handles() -> set[str]:
    """Threads and, on Linux, open files of this process."""
    found = {f"thread {t.name} {t.ident}" for t in threading.enumerate()}
    folder = Path("/proc/self/fd")
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            found.add(f"file {entry.name} {entry.readlink()}")
        except OSError:  # that of the listing itself
            continue
    return found


def left_over(before: set[str]) -> set[str]:
    """What a run has left, once it had 2 s to end."""
    until = time.monotonic() + LIMIT_S
    while (left := handles() - before) and time.monotonic() < until:
        time.sleep(0.01)
    return left


def check(run: Run) -> None:
    """The invariants of a run, whatever failed in it."""
    check_events(run.events, complete=run.end is not None)
    written = [line["t"] for line in run.lines if line["type"] in ("emotion", "health", "end")]
    assert written == sorted(written)
    if run.end is not None:
        assert run.end.utterances == sum(e.final for e in run.of(EmotionEstimate))
        if run.error is None:
            assert run.lines[-1]["type"] == "end"


def sweep(rig: Rig, boundary: Boundary, for_good: bool, live: bool, numbers: Iterator[int]) -> int:
    """Run once for each n of ``numbers`` until nothing fires; how many did."""
    clean = rig.clean(live)
    uses = clean.uses[boundary.name]
    before = handles()
    fired = 0
    for n in numbers:
        error = None if boundary.error is None else boundary.error()
        for _ in range(3):  # a loaded machine is slow once or twice, what waits is slow each time
            rig.injector.arm(boundary.name, n, for_good, error)
            run = rig.run(live)
            if run.took_s < LIMIT_S:
                break
        if not rig.injector.fired:
            break
        fired += 1
        check(run)
        assert run.took_s < LIMIT_S
        assert not left_over(before)
        assert run.held <= clean.held + SLACK, "the session holds more than without the fault"
        if run.error is None:
            assert run.end is not None
        elif boundary.own:
            assert isinstance(run.error, MmerError | type(error))
        else:
            assert isinstance(run.error, MmerError)
            assert "\n" not in str(run.error)
        if boundary.about and not (boundary.refused and run.error):
            assert run.error is None
            said = [m.text for m in run.of(Notice)]
            assert any(boundary.about in text for text in said), said
        if boundary.modality and not for_good and not live and n <= uses // 2:
            last = run.of(EmotionEstimate)[-1]
            assert last.modalities[boundary.modality] is not None, last.why
    return fired


def every(boundaries: list[Boundary]) -> Any:
    def name(value: Any) -> str:
        if isinstance(value, Boundary):
            return value.name if value.error is not None else f"{value.name}-nan"
        return "for good" if value else "once"

    cases = [(b, for_good) for b in boundaries for for_good in (False, True)]
    return pytest.mark.parametrize(("boundary", "for_good"), cases, ids=name)


def growing() -> Iterator[int]:
    """The first two uses, then fewer and fewer."""
    n = 1
    while True:
        yield n
        n = 3 * n - 1


@every(REPLAY)
def test_uses_in_a_replay(rig: Rig, boundary: Boundary, for_good: bool) -> None:
    assert sweep(rig, boundary, for_good, live=False, numbers=growing()) >= 1


@every(LIVE)
def test_uses_in_a_live_session(rig: Rig, boundary: Boundary, for_good: bool) -> None:
    assert sweep(rig, boundary, for_good, live=True, numbers=growing()) >= 1


@pytest.mark.slow
@every(REPLAY)
def test_every_use_in_a_replay(rig: Rig, boundary: Boundary, for_good: bool) -> None:
    assert sweep(rig, boundary, for_good, live=False, numbers=iter(range(1, 10_000))) >= 1


@pytest.mark.slow
@every(LIVE)
def test_every_use_in_a_live_session(rig: Rig, boundary: Boundary, for_good: bool) -> None:
    assert sweep(rig, boundary, for_good, live=True, numbers=iter(range(1, 10_000))) >= 1


@pytest.mark.parametrize("live", [False, True])
def test_what_a_part_keeps_of_its_failures_is_found(
    rig: Rig, live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead = Guarded._instead

    def leaking(guarded: Any, message: Message) -> Any:
        guarded.kept = [*getattr(guarded, "kept", ()), message]
        return instead(guarded, message)

    monkeypatch.setattr(Guarded, "_instead", leaking)
    with pytest.raises(AssertionError, match="holds more"):
        sweep(rig, PARTS[0], for_good=True, live=live, numbers=growing())


class Capture:
    """OpenCV's capture of a camera that has a new picture every 5 ms."""

    injector: Injector
    lasts: int  # so many uses fail

    def __init__(self, *args: object) -> None:
        self._use()

    def _use(self) -> bool:
        return self.injector.fired < self.lasts and self.injector.use("capture")

    def isOpened(self) -> bool:
        return True

    def set(self, *args: object) -> None: ...

    def grab(self) -> bool:
        time.sleep(0.005)
        return not self._use()

    def retrieve(self) -> tuple[bool, Any]:
        if self._use():
            return False, None
        return True, np.random.default_rng().integers(0, 255, (48, 64, 3), np.uint8)

    def release(self) -> None:
        self._use()


@pytest.mark.parametrize("error", [None, cv2.error("Unknown C++ exception from OpenCV code")])
@pytest.mark.parametrize("lasts", [1, 12])
def test_every_use_of_a_camera(
    error: Exception | None, lasts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever call of the driver fails, for a moment or for a while, frames come again."""
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(camera, "_SKIP_S", 0.02)
    monkeypatch.setattr(retry, "_DELAYS_S", (0.005,))
    Capture.lasts = lasts
    for n in range(1, 12):
        injector = Capture.injector = Injector()
        source = Camera(0, patience_s=1.0)
        source.open(SessionClock())
        injector.arm("capture", n, for_good=True, error=error)
        began = time.monotonic()
        frames = 0
        for message in source.messages():
            assert time.monotonic() - began < LIMIT_S
            frames += isinstance(message, VideoFrame) and injector.fired == lasts
            if frames == 5:
                source.stop()
        assert frames == 5, f"no frames after use {n}"
        source.close()


def test_a_camera_that_fails_at_its_first_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    Capture.lasts = 10
    for n in (1, 2):
        injector = Capture.injector = Injector()
        injector.arm("capture", n, for_good=True, error=cv2.error("Unknown C++ exception"))
        with pytest.raises(MmerError, match="camera 0"):
            Camera(0).open(SessionClock())
        assert injector.fired
