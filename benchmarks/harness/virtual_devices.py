"""A microphone and a camera made of software, to be used by the real program.

``VirtualMicrophone`` is a private PulseAudio server whose null sink's monitor is the default
source; ``MjpegCamera`` is an HTTP server on the loopback interface. Both are context managers that
leave nothing behind, whatever happens in them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
import wave
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError

_SINK: Final = "mic"


class VirtualMicrophone:
    """Whatever ``play`` is given comes in at the default microphone of programs run in ``env``.

    Raises MmerError where PulseAudio is not installed, or does not start.
    """

    def __init__(self) -> None:
        missing = [n for n in ("pulseaudio", "paplay", "parec", "pactl") if shutil.which(n) is None]
        missing += [] if list(Path("/usr/lib").glob("*/alsa-lib/*pcm_pulse.so")) else ["pcm_pulse"]
        if missing:
            raise MmerError(
                f"no virtual microphone ({', '.join(missing)} missing): "
                "apt-get install pulseaudio pulseaudio-utils libasound2-plugins"
            )
        self.env: dict[str, str] = {}
        """The environment in which a child process finds the microphone."""
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._daemon: subprocess.Popen[bytes] | None = None
        self._sink = _SINK

    def __enter__(self) -> VirtualMicrophone:
        # a short path: an address of a Unix socket has room for about 100 characters
        self._home = Path(tempfile.mkdtemp(prefix="mmer-mic-"))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        socket = self._home / "socket"
        pulse = {
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home / "config"),
            "XDG_RUNTIME_DIR": str(self._home),
            "PULSE_RUNTIME_PATH": str(self._home / "pulse"),
            "PULSE_SERVER": f"unix:{socket}",
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
        }
        self.env = {**os.environ, **pulse}
        # PortAudio knows ALSA only, and ALSA's default is to be PulseAudio
        (self._home / ".asoundrc").write_text(
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        self._log = (self._home / "pulseaudio.log").open("wb")
        self._daemon = subprocess.Popen(
            [
                "pulseaudio",
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
                "--realtime=no",
                "--high-priority=no",
                "--disallow-exit",
                f"--load=module-native-protocol-unix socket={socket} auth-anonymous=1",
                f"--load=module-null-sink sink_name={_SINK} rate=48000 channels=2",
            ],
            env={k: v for k, v in self.env.items() if k != "PULSE_SERVER"},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 20
        while self._pactl("set-default-source", f"{_SINK}.monitor") != 0:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                log = (self._home / "pulseaudio.log").read_text(errors="replace")
                raise MmerError(f"PulseAudio did not start:\n{log}")
            time.sleep(0.1)
        self._warm_up()

    def _pactl(self, *arguments: str) -> int:
        quiet = subprocess.DEVNULL
        return subprocess.run(
            ["pactl", *arguments], env=self.env, stdout=quiet, stderr=quiet, check=False
        ).returncode

    def _warm_up(self) -> None:
        """A listener keeps the sink at small blocks, like a microphone: alone, they are 2 s."""
        self._helpers.append(
            subprocess.Popen(
                ["parec", f"--device={_SINK}.monitor", "--latency-msec=20"],
                env=self.env,
                stdout=subprocess.DEVNULL,
            )
        )
        path = self._home / "silence.wav"  # the first stream starts late
        write_wav(path, np.zeros(4800, np.int16))
        if self.play(path).wait(20) != 0:
            raise MmerError("paplay cannot play")

    def choose_another(self) -> None:
        """A second microphone is there, and is the default one from now on; ``play`` plays into it.

        The first one goes on, silent.
        """
        self._sink = "other"
        created = f"sink_name={self._sink}"
        status = self._pactl("load-module", "module-null-sink", created, "rate=48000", "channels=2")
        if status or self._pactl("set-default-source", f"{self._sink}.monitor"):
            raise MmerError("PulseAudio cannot make another microphone")

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Begin to play a WAV file into the microphone; the process ends with the sound."""
        player = subprocess.Popen(
            ["paplay", f"--device={self._sink}", "--latency-msec=50", str(path)], env=self.env
        )
        self._helpers.append(player)
        return player

    def unplug(self) -> None:
        """The microphone is gone, without a word."""
        assert self._daemon is not None, "it was never plugged in"
        self._daemon.kill()
        self._daemon.wait()

    def plug_in(self) -> None:
        """The microphone is there again, after ``unplug``."""
        self._log.close()
        (self._home / "socket").unlink(missing_ok=True)
        self._start()

    def __exit__(self, *error: object) -> None:
        for process in [*self._helpers, *([self._daemon] if self._daemon else [])]:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._daemon is not None:
            self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)


class MjpegCamera:
    """A camera at ``url``: a loop of pictures as multipart JPEG, ``fps`` a second.

    All who connect see the same picture at the same time, as with a camera. Frames are BGR
    pictures, uint8 (H, W, 3), or the path of a media file.
    """

    def __init__(self, frames: Path | Iterable[NDArray[np.uint8]], fps: float = 25.0) -> None:
        import cv2

        pictures = _decoded(frames) if isinstance(frames, Path) else frames
        self._jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        self._fps = fps
        self._dead = threading.Event()  # no more frames
        self._closing = threading.Event()
        self.sent = 0
        """Frames sent so far, to all who are connected."""

    @property
    def url(self) -> str:
        """What ``--video`` takes."""
        return f"http://127.0.0.1:{self._server.server_port}/camera.mjpg"

    def stop_frames(self) -> None:
        """Go dead: the connections stay open, but nothing comes any more."""
        self._dead.set()

    def close_connections(self) -> None:
        """Hang up on everybody, and on whoever calls later."""
        self._closing.set()

    def __enter__(self) -> MjpegCamera:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on stderr."""

        self._began = time.monotonic()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="camera")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()  # waits for the connections' threads
        self._thread.join()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        number = int((time.monotonic() - self._began) * self._fps)
        while not self._closing.is_set():
            number += 1
            due = self._began + number / self._fps
            if self._closing.wait(max(0.0, due - time.monotonic())):
                return
            if self._dead.is_set():
                continue
            jpeg = self._jpegs[number % len(self._jpegs)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                request.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:  # the viewer has left
                return
            self.sent += 1


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = 16_000) -> None:
    """A WAV file of int16: (n,), mono, or (n, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def _decoded(path: Path) -> Iterator[NDArray[np.uint8]]:
    import av

    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
