"""Camera source, by OpenCV."""

from __future__ import annotations

import math
import os
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmer.models.errors import MmerError
from mmer.realtime.clock import Clock
from mmer.realtime.messages import Gap, Notice, Stream, VideoFrame
from mmer.realtime.sources.address import is_url, shown
from mmer.realtime.sources.frame_size import LARGEST_PX, excess
from mmer.realtime.sources.released import Released
from mmer.realtime.sources.retry import reopen
from mmer.realtime.sources.source import Source
from mmer.realtime.sources.standstill import Standstill

_OPEN_TIMEOUT_S: Final = 5.0
_READ_TIMEOUT_S: Final = 3.0
_OPEN_AGAIN_S: Final = 2.0
_CLOSE_S: Final = _READ_TIMEOUT_S + 1.0  # how long a read is waited for
_SKIP_S: Final = 1.0
"""So long may frames fail to come before the camera is taken to be gone."""

_V4L: Final = Path("/sys/class/video4linux")
_LIST: Final = "see mmer-live --list-devices"


@dataclass(frozen=True)
class CameraDevice:
    """A local camera: what ``--video`` takes, and its name for people."""

    device: str
    name: str


def cameras() -> list[CameraDevice]:
    """The local cameras; on Linux none of them is opened."""
    if platform.system() == "Linux":
        found = []
        nodes = _V4L.glob("video*")
        for node in sorted(nodes, key=lambda n: int(re.sub(r"\D", "", n.name) or 0)):
            # a webcam has more nodes than one: the first gives frames, others only metadata
            if _text(node / "index") in ("0", ""):
                found.append(CameraDevice(f"/dev/{node.name}", _text(node / "name") or node.name))
        return found
    cv2 = _quiet_cv2()
    found = []
    for index in range(4):
        capture = cv2.VideoCapture(index)
        if capture.isOpened():
            found.append(CameraDevice(str(index), f"camera {index}"))
        capture.release()
    return found


class Camera(Source):
    """A live camera: an index, a ``/dev`` path, a URL (MJPEG, RTSP) or a GStreamer pipeline.

    Frames are stamped with the clock right after ``grab``, before they are decoded and converted
    to BGR. A local camera is asked for ``size`` and ``fps`` and for a buffer of one frame, and may
    give something else. A video file is accepted too and played at its own rate, as a stand-in.
    The session keeps only the newest frame; a camera never waits.

    A frame that cannot be decoded is skipped. A camera that gives none is a ``Gap`` without end
    and a notice; for ``patience_s`` it is opened again and again, and its frames come behind a
    ``Gap`` from the last one before. A file ends.

    ``stop`` works from any thread: at the next frame, or within 3 s if the camera is stuck.
    """

    live = True
    streams: frozenset[Stream] = frozenset({"video"})

    def __init__(
        self,
        device: int | str = 0,
        size: tuple[int, int] | None = (640, 480),
        fps: float | None = 30.0,
        patience_s: float = 0.0,
    ) -> None:
        if isinstance(device, str) and device.strip().isdecimal():
            device = int(device)
        self.name = f"camera {device}" if isinstance(device, int) else f"camera {shown(device)!r}"
        self._device = device
        self._size = size
        self._fps = fps
        self._patience_s = patience_s
        self._open_s = _OPEN_TIMEOUT_S  # of an address
        self._clock: Clock | None = None
        self._capture: Any = None
        self._released = Released(self._release, _CLOSE_S)
        self._stopped = threading.Event()
        self._period_s = 0.0  # between frames of a file, which would not wait by itself

    def open(self, clock: Clock) -> None:
        cv2 = _quiet_cv2()
        self._clock = clock
        try:
            self._capture = self._open(cv2)
            opened = self._capture.isOpened()
            works = opened and self._capture.grab()
        except cv2.error:  # as good as no frame
            opened = self._capture is not None
            works = False
        if not works:
            with suppress(cv2.error):  # it is refused in any case
                self.close()
            if isinstance(self._device, str) and self._device.startswith("/"):
                if not Path(self._device).exists():
                    raise MmerError(f"no such camera: {self._device}; {_LIST}")
                if not os.access(self._device, os.R_OK):
                    raise MmerError(
                        f"{self._device} may not be read; on Linux add yourself to its group "
                        "(`sudo usermod -aG video $USER`) and log in again"
                    )
            what = "opens but gives no frames" if opened else "cannot be opened"
            remedy = "is it connected, and not in use by another program?"
            if isinstance(self._device, str) and is_url(self._device):
                remedy = "check the address and the network;"
            raise MmerError(f"{self.name} {what}; {remedy} {_LIST}; files work without a camera")

    def _open(self, cv2: Any) -> Any:
        device = self._device
        if isinstance(device, int):
            return self._set_up(cv2, cv2.VideoCapture(device))
        if " ! " in device:
            if not re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()):
                raise MmerError(
                    "this OpenCV was built without GStreamer, so it cannot run the pipeline "
                    f"{device!r}; use the cv2 of your system or of JetPack, which has it, or "
                    "name the camera by index, /dev path or URL"
                )
            return cv2.VideoCapture(device, cv2.CAP_GSTREAMER)
        if device.startswith("/dev/"):
            return self._set_up(cv2, cv2.VideoCapture(device, cv2.CAP_V4L2))
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(self._open_s * 1000)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(_READ_TIMEOUT_S * 1000)),
        ]
        if not is_url(device):
            if not Path(device).is_file():
                raise MmerError(f"no such camera, file or address: {device}; {_LIST}")
            device = str(Path(device).absolute())
        capture = cv2.VideoCapture(device, cv2.CAP_FFMPEG, limits)
        size = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        width, height = map(capture.get, size)
        if capture.isOpened() and (too_large := excess(width, height, LARGEST_PX)):
            capture.release()
            raise MmerError(f"{self.name} gives frames that are too large: {too_large}")
        if not is_url(device) and capture.isOpened():
            self._period_s = 1.0 / (capture.get(cv2.CAP_PROP_FPS) or 25.0)
        return capture

    def _set_up(self, cv2: Any, capture: Any) -> Any:
        """Ask a local camera for what suits us; OpenCV ignores what it cannot do."""
        if capture.isOpened():
            if self._size is not None:
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
            if self._fps is not None:
                capture.set(cv2.CAP_PROP_FPS, self._fps)
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    def messages(self) -> Iterator[VideoFrame | Gap | Notice]:
        assert self._clock is not None, "open() comes first"
        clock = self._clock
        last = clock.now()
        due = last
        away = False
        still, before = Standstill(), None
        while not self._stopped.is_set():
            t, image = self._read()
            if self._stopped.is_set():
                break
            if image is None:
                if clock.now() - last < _SKIP_S and not self._period_s:
                    self._stopped.wait(0.01)  # one frame that cannot be decoded is skipped
                    continue
                yield from self._lost(last)
                until = clock.now() + (0.0 if self._period_s else self._patience_s)
                if not reopen(self._open_again, clock, until, self._stopped):
                    break
                away = True
                continue
            if away:
                away = False
                yield Notice(t, "info", "camera", f"{self.name} is back")
                yield Gap("video", last, t, "the camera was away")
            last = t
            frame = _bgr(image)
            sample = frame[::8, ::8].tobytes()
            if still.update(t, dead=sample == before):
                text = f"{self.name} gives a picture that stands still: check it and its cover"
                yield Notice(t, "warning", "camera", text)
            before = sample
            yield VideoFrame(t, frame)
            if self._period_s:
                due = max(due + self._period_s, t)
                self._stopped.wait(due - clock.now())

    def _read(self) -> tuple[float, Any]:
        """The next frame's time and image; None where there is none."""
        assert self._clock is not None
        with self._released.reading():
            t = self._clock.now()
            try:
                grabbed = self._capture is not None and self._capture.grab()
                t = self._clock.now()
                return t, self._capture.retrieve()[1] if grabbed else None
            except _quiet_cv2().error:  # as good as no frame
                return t, None

    def _lost(self, last: float) -> Iterator[Gap | Notice]:
        assert self._clock is not None
        waits = self._patience_s and not self._period_s
        what = "waiting for it" if waits else "check it, then start again"
        text = f"{self.name} stopped giving frames; {what}"
        yield Notice(self._clock.now(), "error", "camera", text)
        yield Gap("video", last, math.inf, "camera stopped")

    def _open_again(self) -> None:
        """Open the camera anew and read a frame; raises MmerError where that fails."""
        with self._released.reading():
            cv2 = _quiet_cv2()
            try:
                if self._capture is not None:
                    self._capture.release()
                if self._stopped.is_set():
                    return
                self._open_s = _OPEN_AGAIN_S
                self._capture = self._open(cv2)
                if not self._capture.isOpened() or not self._capture.grab():
                    raise MmerError(f"{self.name} gives no frames")
            except cv2.error as error:  # as good as no frames: it is tried again
                raise MmerError(f"{self.name} gives no frames: {error}") from error

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._released.close()

    def _release(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


def _bgr(image: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The driver's image as uint8 (H, W, 3); some infrared cameras are grey."""
    if image.ndim == 2 or image.shape[2] == 1:
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3], dtype=np.uint8)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _quiet_cv2() -> Any:
    """OpenCV with its and FFmpeg's messages off, and without its wait of 10 s for V4L2.

    These are read when a capture is first made, so what the user set before stays as it is.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(round(_READ_TIMEOUT_S)))
    try:
        import cv2
    except ImportError as error:
        raise MmerError(
            f"OpenCV cannot be loaded ({error}), so there is no camera: `pip install "
            "'opencv-contrib-python>=4.10,<5'`, on Debian also `sudo apt-get install libgl1`"
        ) from error
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # it moved with 4.13; macOS 13 has wheels up to 4.12
        getattr(cv2.utils, "logging", cv2).setLogLevel(0)  # silent
    return cv2
