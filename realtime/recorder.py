"""Recorder of a session: sound as FLAC and video as H.264 in one Matroska file, and its JSON lines.

Matroska, for a file that was cut (a full disk, ``kill -9``) plays as far as it goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError, brief
from mmer.realtime.mailbox import Closed, Delivery, Mailbox
from mmer.realtime.messages import (
    SAMPLE_RATE,
    AudioBlock,
    Message,
    Notice,
    SessionEnd,
    Stream,
    VideoFrame,
)
from mmer.realtime.pacing import Captured, Thinning
from mmer.realtime.recordings import LINES, MEDIA, check_folder, expire
from mmer.realtime.sinks.jsonl import JsonLines
from mmer.realtime.sinks.sink import SessionInfo
from mmer.realtime.sources.source import Source

_SOUND_S: Final = 60.0
"""Most sound that waits for the encoder."""
_VIDEO_BYTES: Final = 128 << 20
"""Most video that waits: seven seconds of VGA at 20 frames a second."""
_FRAME: Final = 320  # samples of a FLAC frame: 20 ms
_APART_S: Final = 0.040  # a time off the count of samples by more is a hole
_MS: Final = Fraction(1, 1000)  # Matroska's unit of time
_MS_SAMPLES: Final = SAMPLE_RATE // 1000
_WAIT_S: Final = 5.0
"""So much sound waits for the first frame, whose size the file's header needs."""
_NO_SIZE: Final = (640, 480)  # of the video where no frame came by then
_CLOSE_S: Final = 10.0
_X264: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18", "threads": "1"}
_MPEG4: Final = {"qscale": "3"}


class Recorder:
    """Records what the sources of one session capture, and its events.

    ``capture`` may be called from any thread and, but in replay, never waits: sound and video wait
    in a mailbox each, of which the oldest message gives way when it is full; ``drops`` counts
    those. Two threads encode. What fails costs the recording alone: ``problem`` then says why,
    and what has been written stays playable.

    Raises MmerError (constructor) where ``folder`` cannot be recorded to.
    """

    def __init__(
        self, folder: Path, consent: str | None = None, keep_days: float | None = None
    ) -> None:
        check_folder(folder)
        self.folder = folder
        self.problem: MmerError | None = None
        self._consent, self._keep_days = consent, keep_days
        self._lines: JsonLines | None = None
        self._media: _Media | None = None
        self._boxes: dict[Stream, Mailbox[Any]] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def drops(self) -> dict[str, int]:
        """By mailbox, how many messages had to give way."""
        return {box.name: box.dropped for box in self._boxes.values()}

    def described(self, info: SessionInfo) -> SessionInfo:
        """``info`` with what the header says of the recording."""
        began = datetime.now(timezone.utc) if info.utc is None else info.utc
        until = None if self._keep_days is None else began + timedelta(days=self._keep_days)
        about = {
            "began": began.isoformat(timespec="seconds"),
            "consent": self._consent or "not stated",
            "delete_after": None if until is None else until.isoformat(timespec="seconds"),
            "sound": f"FLAC, {SAMPLE_RATE} Hz, mono, as it was analysed",
            "video": "H.264, the frames that were to be analysed",
        }
        return replace(info, recording=about)

    def open(self, info: SessionInfo) -> list[Notice]:
        """Create the folder, the one above it and its files; delete what has expired beside it.

        ``info`` is ``described``. Raises MmerError.
        """
        check_folder(self.folder)
        parent = self.folder.absolute().parent
        try:
            parent.mkdir(exist_ok=True)
            notices = [
                Notice(0.0, "info", "recording", f"{old} was past its --keep-days and is deleted")
                for old in expire(parent)
            ]
            self.folder.mkdir(exist_ok=True)
            self._media = _Media(self.folder / MEDIA, info.streams, info.policy)
        except OSError as error:
            raise MmerError(f"--record {self.folder}: {error.strerror or error}") from error
        self._lines = JsonLines(str(self.folder / LINES))
        self._lines.open(info)
        encoders: dict[Stream, Callable[[Any], None]] = {
            "audio": self._media.add_sound,
            "video": self._media.add_frame,
        }
        for stream in sorted(info.streams):
            # a file in replay can wait; a device cannot
            policy = Delivery.LOSSLESS if info.origin is None else Delivery.OLDEST_GIVES_WAY
            box: Mailbox[Any] = Mailbox(f"record {stream}", policy)
            self._boxes[stream] = box
            work = (box, encoders[stream])
            thread = threading.Thread(target=self._encode, args=work, daemon=True)
            thread.name = box.name
            self._threads.append(thread)
            thread.start()
        assert info.recording is not None
        text = f"recording to {self.folder}; consent: {info.recording['consent']}"
        return [*notices, Notice(0.0, "info", "recording", text)]

    def capture(self, message: Captured) -> None:
        """Record a captured message; ignored before ``open`` and after a problem."""
        if self.problem is not None:
            return
        if isinstance(message, AudioBlock) and "audio" in self._boxes:
            box = self._boxes["audio"]
            box.capacity = max(8, round(_SOUND_S * SAMPLE_RATE / max(len(message.samples), 1)))
            box.put(message)
        elif isinstance(message, VideoFrame) and "video" in self._boxes:
            box = self._boxes["video"]
            box.capacity = max(8, _VIDEO_BYTES // max(message.image.nbytes, 1))
            box.put(message)

    def write(self, event: Message, now: float | None) -> None:
        """Write the line of an event."""
        if self._lines is not None and self.problem is None:
            try:
                self._lines.write(event, now)
            except MmerError as problem:
                self._fail(problem)

    def close(self, end: SessionEnd | None) -> None:
        """Finish what waits and close the files; harmless when repeated."""
        boxes, self._boxes = self._boxes, {}
        for box in boxes.values():
            box.close()
        for thread in self._threads:
            thread.join(_CLOSE_S)
        self._threads = []
        lines, self._lines = self._lines, None
        if lines is not None:
            try:
                lines.close(None if self.problem is not None else end)
            except MmerError as problem:
                self._fail(problem)
        media, self._media = self._media, None
        if media is not None:
            try:
                media.close()
            except Exception as error:  # noqa: BLE001  it costs the recording alone
                self._fail(error)
            if self.problem is None and not (self.folder / MEDIA).exists():
                self.problem = MmerError(f"--record {self.folder}: nothing came to record")
        self._boxes = boxes  # for their counts

    def _encode(self, box: Mailbox[Any], add: Callable[[Any], None]) -> None:
        try:
            while True:
                message = box.get()
                if message is not None:
                    add(message)
        except Closed:
            return
        except Exception as error:  # noqa: BLE001  it costs the recording alone
            self._fail(error)
            box.abandon()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self.problem is None:
                why = getattr(error, "strerror", None) or brief(str(error))
                text = f"the recording to {self.folder} stopped: {why}; what was recorded stays"
                self.problem = MmerError(text)


class _Media:
    """The Matroska file; both threads write to it. Raises FFmpegError and OSError."""

    def __init__(self, path: Path, streams: frozenset[Stream], policy: str) -> None:
        import av

        options = {"cluster_time_limit": "1000", "flush_packets": "1"}
        self._out = av.open(str(path), "w", format="matroska", options=options)
        self._out.metadata["comment"] = f"mmer policy: {policy}"
        self._lock = threading.RLock()
        self._waits = set(streams)  # whose first message has not come: the header needs all
        self._held: list[Any] = []
        self._sound: Any = None
        self._video: Any = None
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._rest_t = 0.0  # of the first sample in it
        self._sound_pts = -_MS_SAMPLES  # of the last frame, in samples
        self._size = (0, 0)
        self._pts = -1  # of the last frame, in ms
        if "audio" in streams:
            self._sound = self._out.add_stream(
                "flac", rate=SAMPLE_RATE, layout="mono", options={"frame_size": str(_FRAME)}
            )
            self._sound.codec_context.time_base = Fraction(1, SAMPLE_RATE)
            self._waits.discard("audio")  # all is known of it

    def add_sound(self, block: AudioBlock) -> None:
        """Encode 16 kHz sound; a hole of more than 40 ms stays a hole.

        Where a timeline moves back, the file's does not: frames lie closer together until then.
        The file begins with the session: sound from before it (of a program that pushes it) is
        left out.
        """
        early = round(-block.t0 * SAMPLE_RATE)
        if early > 0:
            block = AudioBlock(0.0, block.samples[early:])
            if not len(block.samples):
                return
        expected = self._rest_t + len(self._rest) / SAMPLE_RATE
        if abs(block.t0 - expected) > _APART_S and len(self._rest):
            self._sound_frame(np.pad(self._rest, (0, _FRAME - len(self._rest))))
            self._rest = self._rest[:0]
        if not len(self._rest):
            self._rest_t = block.t0
        self._rest = np.concatenate((self._rest, block.samples))
        while len(self._rest) >= _FRAME:
            self._sound_frame(self._rest[:_FRAME])
            self._rest = self._rest[_FRAME:]
            self._rest_t += _FRAME / SAMPLE_RATE

    def _sound_frame(self, samples: NDArray[np.int16]) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(samples[np.newaxis].copy(), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        # times must grow
        self._sound_pts = max(round(self._rest_t * SAMPLE_RATE), self._sound_pts + _MS_SAMPLES)
        frame.pts = self._sound_pts
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._mux(self._sound.encode(frame))

    def add_frame(self, frame: VideoFrame) -> None:
        """Encode a frame, fitted to the first one's size, to an even number of pixels."""
        import av
        import cv2

        height, width = frame.image.shape[:2]
        if self._video is None:
            self._start_video(width + width % 2, height + height % 2)
        image: Any = frame.image
        if (width, height) != self._size:
            if (width + width % 2, height + height % 2) == self._size:
                right, below = width % 2, height % 2
                image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
            else:
                image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        made = av.VideoFrame.from_ndarray(image, format="bgr24")
        self._pts = max(round(frame.t * 1000), self._pts + 1)  # times must grow
        made.pts, made.time_base = self._pts, _MS
        self._mux(self._video.encode(made))

    def _start_video(self, width: int, height: int) -> None:
        import av

        x264 = "libx264" in av.codecs_available
        with self._lock:
            if self._video is not None:
                return
            self._size = (width, height)
            self._video = self._out.add_stream(
                "libx264" if x264 else "mpeg4", options=_X264 if x264 else _MPEG4
            )
            self._video.width, self._video.height = self._size
            self._video.pix_fmt = "yuv420p"
            self._video.codec_context.time_base = self._video.time_base = _MS
            self._waits.discard("video")

    def _mux(self, packets: Any) -> None:
        """Write packets; they wait in memory until the header, which names all streams, can be."""
        with self._lock:
            self._held += packets
            if self._waits and len(self._held) * _FRAME > _WAIT_S * SAMPLE_RATE:
                self._start_video(*_NO_SIZE)  # a camera without frames must not hold the sound back
            if not self._waits:
                held, self._held = self._held, []
                self._out.mux(held)

    def close(self) -> None:
        """Encode what is left and finish the file."""
        try:
            if self._sound is not None:
                if len(self._rest):
                    self._sound_frame(self._rest)
                self._mux(self._sound.encode(None))
            if self._video is not None:
                self._mux(self._video.encode(None))
            with self._lock:
                held, self._held = self._held, []
                self._out.mux(held)
        finally:
            self._out.close()


class Recorded(Source):
    """A source whose messages are recorded as they pass: of its frames those that are analysed."""

    def __init__(self, source: Source, recorder: Recorder, video_fps: float | None) -> None:
        self._source = source
        self._recorder = recorder
        self._video_fps = video_fps
        self.name, self.live = source.name, source.live

    @property
    def streams(self) -> frozenset[Stream]:
        return self._source.streams

    @property
    def duration_s(self) -> float | None:
        return self._source.duration_s

    def open(self, clock: Any) -> None:
        self._source.open(clock)

    def messages(self) -> Iterator[Captured]:
        thinning = Thinning(self._video_fps if self.live else None)  # as the session does
        for message in self._source.messages():
            if not isinstance(message, VideoFrame) or thinning.takes(message.t):
                self._recorder.capture(message)
            yield message

    def stop(self) -> None:
        self._source.stop()

    def close(self) -> None:
        self._source.close()
