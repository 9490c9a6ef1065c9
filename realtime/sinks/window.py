"""Video window: the newest annotated frame on the desktop."""

from __future__ import annotations

import time
from typing import Any, Final

from mmer.realtime.messages import Message, SessionEnd, VideoFrame
from mmer.realtime.sinks.drawing import annotate, blank
from mmer.realtime.sinks.sink import SessionInfo, Sink
from mmer.realtime.sinks.state import OverlayState

TITLE: Final = "mmer"
QUIT_KEYS: Final = (ord("q"), ord("Q"), 27)  # 27: Esc
SMALLEST_PX: Final = 360
"""Smaller frames are enlarged before text is drawn on them."""
HEIGHT_PX: Final = 540
"""The window's height at first; its width follows from the frame's shape."""
_REDRAW_S: Final = 1 / 30
_REDRAW_BLANK_S: Final = 0.1


class PictureWindow(Sink):
    """Show each frame with what is known of it; q, Esc or closing the window sets ``wants_stop``.

    Everything of OpenCV's windows happens in the thread that calls ``open``, ``write`` and
    ``close``, as it must. Whether there is a display must have been probed before: OpenCV aborts
    the process where there is none.
    """

    def __init__(self) -> None:
        # PyAV brings a libxcb of its own; where it is loaded before OpenCV's Qt, Qt waits for the
        # X server for ever. So OpenCV comes first, before any source is opened.
        import cv2  # noqa: F401

        self._cv2: Any = None
        self._state = OverlayState()
        self._frame: VideoFrame | None = None  # waits for what is found in it: the next event
        self._has_video = False
        self._shape = (0, 0)  # height and width of the frame that the window was made for
        self._drawn = 0.0  # time.monotonic: a matter of the screen alone
        self._closed = False

    @property
    def wants_stop(self) -> bool:
        """Whether the user has closed the window or pressed q or Esc: the session should end."""
        return self._closed

    def open(self, info: SessionInfo) -> None:
        import cv2

        self._cv2 = cv2
        self._closed = False
        self._frame = None
        self._state = OverlayState()
        self._state.open(info)
        self._has_video = "video" in info.streams
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._shape = (0, 0)
        self._show(None)

    def write(self, event: Message, now: float | None) -> None:
        if self._cv2 is None or self._closed:
            return
        frame, self._frame = self._frame, None
        if isinstance(event, VideoFrame):
            self._frame = event
            self._has_video = True
        self._state.update(event, now)
        waited = time.monotonic() - self._drawn
        if frame is not None and waited >= _REDRAW_S:
            self._show(frame)
        elif waited >= _REDRAW_BLANK_S:
            if self._has_video:
                self._react()
            else:
                self._show(None)

    def close(self, end: SessionEnd | None) -> None:
        if self._cv2 is not None and not self._closed:
            self._cv2.destroyWindow(TITLE)
            self._cv2.waitKey(1)
        self._cv2 = None

    def _show(self, frame: VideoFrame | None) -> None:
        image = blank() if frame is None else frame.image
        scale = max(SMALLEST_PX / min(image.shape[:2]), 1.0)
        if scale > 1.0:
            image = self._cv2.resize(image, None, fx=scale, fy=scale)
        if image.shape[:2] != self._shape:  # Qt stretches the frame to the window's shape
            self._shape = height, width = image.shape[:2]
            self._cv2.resizeWindow(TITLE, round(HEIGHT_PX * width / height), HEIGHT_PX)
        self._cv2.imshow(TITLE, annotate(image, self._state, scale))
        self._react()

    def _react(self) -> None:
        """Let the window draw itself, and handle keys and closing."""
        self._drawn = time.monotonic()
        key = self._cv2.waitKey(1)
        visible = self._cv2.getWindowProperty(TITLE, self._cv2.WND_PROP_VISIBLE) >= 1
        if (key >= 0 and key & 0xFF in QUIT_KEYS) or not visible:
            self._closed = True
            if visible:
                self._cv2.destroyWindow(TITLE)
                self._cv2.waitKey(1)
