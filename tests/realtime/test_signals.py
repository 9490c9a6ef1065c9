"""Signals to `mmer-live`: none loses what is open, and two always end it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,  # each starts the program
    pytest.mark.skipif(os.name != "posix", reason="signals and pipes as on Linux"),
]

COMMAND = [str(Path(sys.executable).with_name("mmer-live"))]
OPTIONS = ["--modalities", "speech", "--quiet"]
LIMIT_S = 15.0
"""Much more than an end takes beside other tests, and less than what it must not wait for."""


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A minute of sound."""
    path = tmp_path / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        noise = np.random.default_rng(0).normal(0, 300, 60 * 16_000)
        file.writeframes(noise.astype(np.int16).tobytes())
    return path


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """A named pipe that a program has opened for writing."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path
    os.close(descriptor)


class Running:
    """`mmer-live` on ``source``, with its JSON lines."""

    def __init__(
        self, source: object, out: Path, *options: str, command: Sequence[str] = COMMAND
    ) -> None:
        self.out = out
        self.process = subprocess.Popen(
            [*command, str(source), *OPTIONS, *options, "--output", str(out)],
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "MMER_OFFLINE"},
        )

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def wait_for_estimates(self, n: int = 3) -> None:
        until = time.monotonic() + 60
        while not self.out.exists() or self.out.read_text().count('"emotion"') < n:
            assert time.monotonic() < until
            assert self.process.poll() is None
            time.sleep(0.02)

    def end(self, *numbers: signal.Signals, apart_s: float = 0.0) -> tuple[int, str, float]:
        """Send signals; the status, standard error, and seconds from the last one to the end."""
        for i, number in enumerate(numbers):
            if i:
                time.sleep(apart_s)
            self.process.send_signal(number)
        began = time.monotonic()
        try:
            _, err = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        return self.process.returncode, err, time.monotonic() - began


@pytest.mark.parametrize("after_s", [0.1, 0.2, 0.3, 0.5, 0.8, 1.2])
def test_ctrl_c_while_it_starts_is_one_line(after_s: float, sound: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"  # the interpreter itself is not ours
    code = (
        f"from mmer.realtime.commands.live import main\nopen({str(begun)!r}, 'w').close()\nmain()"
    )
    live = Running(sound, tmp_path / "out.jsonl", command=[sys.executable, "-c", code])
    until = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(after_s)
    status, err, took = live.end(signal.SIGINT)
    assert "Traceback" not in err
    assert (status, err) in ((130, "mmer-live: interrupted\n"), (0, ""))
    assert took < LIMIT_S


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_two_signals_at_once_are_one(number: signal.Signals, sound: Path, tmp_path: Path) -> None:
    live = Running(sound, tmp_path / "out.jsonl")
    live.wait_for_estimates()
    status, err, took = live.end(number, number, apart_s=0.003)
    assert (status, err) == (0, "")
    assert live.lines()[-1]["type"] == "end"
    assert took < LIMIT_S


@pytest.mark.parametrize(
    ("output", "late"), [("out.jsonl", False), ("out.jsonl", True), ("-", False), ("", True)]
)
def test_a_terminal_that_closes_ends_it_in_order(
    output: str, late: bool, sound: Path, tmp_path: Path
) -> None:
    master, slave = os.openpty()
    options = ["--modalities", "speech", *(["--output", output] if output else [])]
    live = subprocess.Popen(
        [*COMMAND, str(sound), *options],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=tmp_path,
        start_new_session=True,
        # its own terminal, so that the system sends SIGHUP when it closes
        preexec_fn=None if late else lambda: fcntl.ioctl(0, termios.TIOCSCTTY),
    )
    os.close(slave)
    try:
        until = time.monotonic() + 60
        shown = b""
        while b'"emotion"' not in shown and b"no label" not in shown:
            assert time.monotonic() < until
            shown += os.read(master, 1000)
        time.sleep(0.5)
        os.close(master)
        if late:
            time.sleep(1.0)  # what it writes meanwhile fails
            live.send_signal(signal.SIGHUP)
        assert live.wait(LIMIT_S) == 0
    finally:
        live.kill()
        live.wait()
    if output == "out.jsonl":
        lines = (tmp_path / output).read_text().splitlines()
        assert json.loads(lines[-1])["type"] == "end"


def test_ctrl_c_while_a_pipe_is_silent_ends_it(pipe: Path, tmp_path: Path) -> None:
    live = Running(pipe, tmp_path / "out.jsonl")
    time.sleep(3.0)
    status, err, took = live.end(signal.SIGINT)
    assert (status, err) == (130, "mmer-live: interrupted\n")
    assert took < LIMIT_S


@pytest.mark.parametrize("pace", ["real", "max"])
def test_ctrl_c_after_a_pipe_fell_silent_ends_it(
    pace: str, sound: Path, pipe: Path, tmp_path: Path
) -> None:
    live = Running(pipe, tmp_path / "out.jsonl", "--pace", pace)
    feeder = subprocess.Popen(
        ["sh", "-c", f"head -c 120000 '{sound}' > '{pipe}'; sleep 30"], start_new_session=True
    )
    try:
        live.wait_for_estimates(10)
        time.sleep(3.0)  # it has read all that there is
        status, err, took = live.end(signal.SIGINT)
    finally:
        os.killpg(feeder.pid, signal.SIGKILL)
        feeder.wait()
    assert took < LIMIT_S
    assert (status, err) == (0, "")
    assert live.lines()[-1]["type"] == "end"


def test_two_ctrl_c_end_it_while_a_network_hangs(sound: Path, tmp_path: Path) -> None:
    code = (
        "import time, mmer.models.encoder as encoder\n"
        "def hang(*inputs): time.sleep(60)\n"
        "encoder.SpeechModel.predict = hang\n"
        "import mmer.realtime.blocks.speech_encoder as block\n"
        "block.speech_quality = lambda samples, limits: 1.0\n"
        "from mmer.realtime.blocks import webrtc_detector as detector\n"
        "from mmer.realtime.blocks.speech_detector import FrameActivity\n"
        "detector.WebRtcDetector.detect = lambda self, frame: FrameActivity(True, True)\n"
        "from mmer.realtime.commands.live import main; main()"
    )
    live = Running(sound, tmp_path / "out.jsonl", command=[sys.executable, "-c", code])
    live.wait_for_estimates(10)
    status, err, took = live.end(signal.SIGINT, signal.SIGINT, apart_s=1.2)
    assert (status, err) == (130, "mmer-live: interrupted\n")
    assert took < LIMIT_S


def test_ctrl_c_while_an_address_is_opened_ends_it(tmp_path: Path) -> None:
    with socket.socket() as server:  # accepts, and never answers
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(60)
        live = Running(f"http://127.0.0.1:{server.getsockname()[1]}/a.mp4", tmp_path / "out.jsonl")
        asked, _ = server.accept()
        assert asked.recv(3) == b"GET"
        status, err, took = live.end(signal.SIGINT)
        asked.close()
    assert (status, err) == (130, "mmer-live: interrupted\n")
    assert took < LIMIT_S
