"""Annotated video of a replay, with the source's sound."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.messages import Message, SessionEnd, VideoFrame
from mmer.realtime.sinks.drawing import annotate, blank
from mmer.realtime.sinks.output import check_output_path, refuse_input
from mmer.realtime.sinks.overlay_audio import OverlaySound, SourceSound
from mmer.realtime.sinks.sink import SessionInfo, Sink, inputs_of
from mmer.realtime.sinks.state import OverlayState, event_time
from mmer.realtime.sources.address import resolved

if TYPE_CHECKING:
    from av.container import OutputContainer

TIME_BASE: Final = Fraction(1, 90_000)
BLANK_EVERY_S: Final = 0.1
"""Seconds between the plain frames of a source without video."""


class OverlayVideo(Sink):
    """Write every analysed frame, annotated with what was known at its time, as an MP4.

    H.264 where PyAV has libx264, else MPEG-4 part 2; the sound as AAC. Frames keep their capture
    times (the rate may vary), both streams share second 0. A frame waits for the events of its
    own time: it is drawn when a later event comes. The video keeps the source's size, to an even
    number of pixels; later frames of another size are fitted to the first one's.

    It is written to a hidden file beside ``path``, which takes its name when the session ends
    well; an error leaves nothing behind. Raises MmerError (constructor, ``open``) for a path that
    cannot be written or a source that cannot be opened, and later if the disk is full.
    """

    def __init__(self, path: str | Path, source_path: str | Path) -> None:
        self._path = Path(path)
        self._source_path = resolved(str(source_path))
        check_output_path(self._path, suffix=".mp4")
        refuse_input(self._path, self._source_path)
        if (given := Path(self._source_path)).exists() and not given.is_file():
            raise MmerError(f"cannot annotate {given}: its sound is read once more; give a file")
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._source: SourceSound | None = None
        self._output: OutputContainer | None = None
        self._stream: Any = None
        self._sound: OverlaySound | None = None
        self._state = OverlayState()
        self._frame: VideoFrame | None = None  # waits for the events of its time
        self._pts = -1
        self._has_video = True
        self._blanks = 0  # plain frames drawn
        self._size = (0, 0)  # width, height

    def open(self, info: SessionInfo) -> None:
        import av

        check_output_path(self._path, suffix=".mp4")
        refuse_input(self._path, *inputs_of(info))
        self._state = OverlayState()
        self._state.open(info)
        self._has_video = "video" in info.streams or not info.streams
        self._source = SourceSound(self._source_path)
        try:
            self._output = av.open(
                str(self._part), "w", format="mp4", options={"movflags": "+faststart"}
            )
        except (av.error.FFmpegError, OSError) as error:
            self._discard()
            raise MmerError(f"cannot write {self._path}: {_reason(error)}") from error
        self._output.metadata["comment"] = f"mmer policy: {info.policy}"

    def write(self, event: Message, now: float | None) -> None:
        if self._output is None:
            return
        with self._all_or_nothing():
            self._draw_before(event_time(event), new_frame=isinstance(event, VideoFrame))
            self._state.update(event, now)
            if isinstance(event, VideoFrame):
                self._frame = event

    def close(self, end: SessionEnd | None) -> None:
        """Finish the video and give it its name; after an error (``end`` None) remove it."""
        if end is None or self._output is None:
            self._discard()
            return
        with self._all_or_nothing():
            self._draw_before(end.t, new_frame=True)
            if self._stream is None:  # no frame ever came: the sound goes with a plain one
                self._start(blank())
                self._encode(annotate(blank(), self._state), 0.0)
            self._output.mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish(max(end.t, self._pts * float(TIME_BASE)))
            self._output.close()
            self._output = None
            os.replace(self._part, self._path)
        self._discard()

    def _draw_before(self, t: float, new_frame: bool) -> None:
        """Draw the frame whose time is over at ``t``; plain ones where there is no video."""
        if not self._has_video:
            while self._blanks * BLANK_EVERY_S < t:
                self._draw(blank(), self._blanks * BLANK_EVERY_S)
                self._blanks += 1
        frame = self._frame
        if frame is not None and (new_frame or t > frame.t):
            self._frame = None
            self._draw(frame.image, frame.t)

    def _draw(self, image: NDArray[np.uint8], t: float) -> None:
        if self._stream is None:
            self._start(image)
        self._encode(annotate(image, self._state), t)
        if self._sound is not None:
            self._sound.pump(t)

    def _start(self, image: NDArray[np.uint8]) -> None:
        import av

        assert self._output is not None
        assert self._source is not None
        height, width = image.shape[:2]
        self._size = (width + width % 2, height + height % 2)
        x264 = "libx264" in av.codecs_available
        options = {"preset": "veryfast", "crf": "20", "bf": "0"} if x264 else {"qscale": "3"}
        self._stream = self._output.add_stream("libx264" if x264 else "mpeg4", options=options)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.time_base = TIME_BASE
        if self._source.channels:
            self._sound = OverlaySound(self._source, self._output)

    def _encode(self, image: NDArray[np.uint8], t: float) -> None:
        from av.video.frame import VideoFrame as Encodable

        assert self._output is not None
        frame = Encodable.from_ndarray(self._fitted(image), format="bgr24")
        # times must grow, also where a source gives two frames the same
        self._pts = max(round(max(t, 0.0) / TIME_BASE), self._pts + 1)
        frame.pts = self._pts
        frame.time_base = TIME_BASE
        self._output.mux(self._stream.encode(frame))

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """``image`` at the video's size: an odd edge repeated, another size fitted in."""
        import cv2

        width, height = self._size
        h, w = image.shape[:2]
        if (w + w % 2, h + h % 2) != self._size:
            scale = min(width / w, height / h)
            w, h = max(round(w * scale), 1), max(round(h * scale), 1)
            image = np.asarray(cv2.resize(image, (w, h)), np.uint8)
            edge = cv2.BORDER_CONSTANT
        else:
            edge = cv2.BORDER_REPLICATE
        if (w, h) == self._size:
            return image
        padded = cv2.copyMakeBorder(image, 0, height - h, 0, width - w, edge)
        return np.asarray(padded, np.uint8)

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Leave nothing half-written after an error; a full disk is a user's error."""
        import av

        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            self._discard()
            raise MmerError(f"cannot write {self._path}: {_reason(error)}") from error
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        """Close everything; remove the hidden file if it is still there."""
        output, self._output = self._output, None
        source, self._source = self._source, None
        self._stream = self._sound = self._frame = None
        try:
            if output is not None:
                _close_quietly(output)
        finally:
            if source is not None:
                source.close()
            self._part.unlink(missing_ok=True)


def _close_quietly(output: OutputContainer) -> None:
    """Close a container whose file is given up: that it cannot be finished is of no interest."""
    import av

    with contextlib.suppress(av.error.FFmpegError, OSError):
        output.close()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
