"""Chromium without a screen, its devices played from files, driven by its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from websockets.sync.client import ClientConnection, connect

from mmer.benchmarks.harness.virtual_devices import write_wav
from mmer.models.errors import MmerError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
FPS = 30  # at which it plays pictures in place of a camera


class Browser:
    """A browser with a new profile and one page; ``flags`` are Chromium's own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self._flags = flags
        self._next = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.console: list[str] = []  # errors
        self.requests: list[str] = []  # addresses that the page has asked for

    def __enter__(self) -> Browser:
        """Start; raises MmerError where Chromium does not."""
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-dev-shm-usage",
                "--no-first-run",
                f"--user-data-dir={self._folder / 'profile'}",
                "--remote-debugging-port=0",
                "--window-size=1280,1000",
                *self._flags,
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = self._folder / "profile" / "DevToolsActivePort"
        until = time.monotonic() + 30
        while not port.exists() or "\n" not in port.read_text():
            if self._process.poll() is not None:
                raise MmerError(f"{CHROMIUM} ended at once, with status {self._process.returncode}")
            if time.monotonic() > until:
                raise MmerError(f"{CHROMIUM} did not start within 30 s")
            time.sleep(0.05)
        number = port.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/json/list") as answer:
            page = next(t for t in json.load(answer) if t["type"] == "page")
        self._manager = connect(
            page["webSocketDebuggerUrl"], max_size=None, compression=None, proxy=None
        )
        self._socket: ClientConnection = self._manager.__enter__()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol; its result."""
        self._next += 1
        number = self._next
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.console.append(json.dumps(answer["params"])[:600])
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Go to an address and wait until it is there."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as if by a user's gesture."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self, selector: str) -> str:
        """Text of an element."""
        return str(self.evaluate(f"document.querySelector({selector!r}).textContent"))

    def click(self, selector: str) -> None:
        """Click on an element."""
        self.evaluate(f"document.querySelector({selector!r}).click()")

    def wait_for(self, expression: str, within_s: float = 30.0) -> Any:
        """The value of an expression once it is true; AssertionError if it never is."""
        until = time.monotonic() + within_s
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < until, f"{expression}: {self.console}"
            time.sleep(0.1)
        return found

    def screen(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """Size of the viewport in pixels, and colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """Write a screenshot, PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


def fake_devices(clip: Path, folder: Path) -> list[str]:
    """Flags by which a browser's camera and microphone play ``clip``, over and over."""
    pictures, sound = folder / "camera.mjpeg", folder / "microphone.wav"
    images: list[tuple[float, bytes]] = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="bgr24")
            images.append((float(frame.time), cv2.imencode(".jpg", image)[1].tobytes()))
    times = np.array([t for t, _ in images])
    with pictures.open("wb") as file:
        for k in range(round(times[-1] * FPS)):
            file.write(images[max(0, int(np.searchsorted(times, k / FPS, "right")) - 1)][1])
    with av.open(str(clip)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        pieces = [
            piece.to_ndarray().ravel()
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
    write_wav(sound, np.concatenate(pieces), 48_000)
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={pictures}",
        f"--use-file-for-fake-audio-capture={sound}",
    ]
