"""Reader of one opened media file or address: its streams and their decoded frames."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mmer.models.errors import MmerError
from mmer.realtime.messages import Stream
from mmer.realtime.sources.frame_size import LARGEST_PX, excess, limit
from mmer.realtime.sources.mixing import of_numbers
from mmer.realtime.sources.pipe import Pipe
from mmer.realtime.sources.resample import is_rate
from mmer.realtime.sources.riff import outgrown

if TYPE_CHECKING:
    import av

_NETWORK_TIMEOUT_S: Final = (10.0, 5.0)  # to open, to read
_JUMP_BACK_S: Final = 1.0
_OVERTIME_S: Final = 10.0

Decoded: TypeAlias = "tuple[Stream, float, av.AudioFrame | av.VideoFrame | str]"
"""Stream, time by the file's own count, and a frame; or, in its place, the damage."""


_HEADERLESS: Final = re.compile(r"[asuf]\d+(le|be)?|alaw|mulaw|vidc|sln|gsm|g72\d.*")
"""FFmpeg's names of formats that are guessed from a file's name alone, and their rates with it."""
_NO_PICTURES: Final = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""Formats that show a text as a terminal's screen; FFmpeg takes any .txt for one."""

_INDEX_BYTES: Final = "65536"
"""Of FFmpeg's index for seeking, a stream: it grows with every packet, and nobody seeks here."""


def open_container(
    address: str | Pipe, network: bool, largest_px: int = LARGEST_PX
) -> av.container.InputContainer:
    """``av.open`` for reading; frames of more than ``largest_px`` fail before they are decoded.

    Raises ``av.FFmpegError``, and MmerError for sound without a header, whose rate and channels
    FFmpeg can only guess.
    """
    import av

    options: dict[str, Any] = {"timeout": _NETWORK_TIMEOUT_S if network else None}
    most = {"max_pixels": str(largest_px)}
    inner = options["options"] = dict(most)  # FFmpeg decodes some frames to learn their size
    name = address.lower() if isinstance(address, str) else ""
    if not name.endswith(".avi"):  # which may be read by its index
        inner["indexmem"] = _INDEX_BYTES
    if name.startswith("rtsp"):
        inner["rtsp_transport"] = "tcp"
    elif isinstance(address, str) and not network and outgrown(address):
        inner["ignore_length"] = "1"
    if int(av.__version__.split(".")[0]) < 19:  # later ones never fail over a title's encoding
        options["metadata_errors"] = "replace"
    container: av.container.InputContainer = av.open(address, **options)
    for video in container.streams.video:
        if video.codec_context is not None:
            video.codec_context.options = dict(most)
    if _HEADERLESS.fullmatch(kind := container.format.name):
        container.close()
        name = Path(container.name).name
        raise MmerError(
            f"{name} is taken for {kind} sound, which has no header: its rate and channels would "
            f"be guesses; give it one, such as by: ffmpeg -f {kind} -ar 8000 -i {name} call.wav"
        )
    return container


def choose_streams(container: av.container.InputContainer) -> dict[Stream, int]:
    """Index of the audio and of the video stream to use: the file's default ones, else the first.

    Cover art is no video, and a stream that this FFmpeg cannot decode, or of a rate that no sound
    has, is skipped.
    """
    from av.stream import Disposition

    no_video = Disposition.attached_pic | Disposition.timed_thumbnails
    chosen: dict[Stream, int] = {}
    if container.format.name in _NO_PICTURES:
        return chosen
    kinds: tuple[tuple[Stream, Iterable[Any]], ...] = (
        ("audio", container.streams.audio),
        ("video", container.streams.video),
    )
    for kind, streams in kinds:
        usable = [
            s
            for s in streams
            if s.codec_context is not None
            and not s.disposition & no_video
            and (kind == "video" or is_rate(s.codec_context.sample_rate))
        ]
        usable.sort(key=lambda s: not s.disposition & Disposition.default)
        if usable:
            chosen[kind] = usable[0].index
    return chosen


def pixel_aspect(stream: Any) -> Fraction:
    """Width over height of a video stream's pixels; 1 where it says none, or nonsense."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return Fraction(aspect) if aspect and 1 <= 8 * aspect <= 64 else Fraction(1)


class Reader:
    """Decoder of some streams of one container, in their order there.

    Damage does not end it: a packet that cannot be decoded is skipped, as FFmpeg does, and the
    first of each stream is reported as a string in the frame's place. Samples that are NaN or
    infinite become zeros, reported in the same way. ``largest_px`` is what the container was opened
    with.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        indices: Mapping[Stream, int],
        largest_px: int = LARGEST_PX,
    ) -> None:
        self.container = container
        self._largest_px = largest_px
        self._streams: dict[int, Stream] = {index: kind for kind, index in indices.items()}
        self._clocks = {index: _FrameTimes(container, index) for index in self._streams}
        self._damaged: set[int] = set()
        self._numberless: set[int] = set()
        self._sizes = {index: _size(container.streams[index]) for index in self._streams}
        self._decoded = self._decode()
        self._peeked: list[Decoded] = []
        self.first: dict[Stream, float] = {}
        self.error = ""
        """The newest error, of whatever it was."""
        self.errors: dict[Stream, str] = {}
        """The newest error of a stream."""

    def prime(self, patience_s: float) -> None:
        """Decode up to the first frame of every stream; ``first`` holds their times afterwards.

        A stream that has shown nothing when another is ``patience_s`` further is not waited for.
        """
        for item in self._decoded:
            self._peeked.append(item)
            kind, t, frame = item
            if isinstance(frame, str):
                continue
            self.first.setdefault(kind, t)
            if len(self.first) == len(self._streams) or t > self.first[kind] + patience_s:
                return

    def keep(self, kinds: Collection[Stream]) -> None:
        """Decode only these from now on."""
        self._streams = {i: kind for i, kind in self._streams.items() if kind in kinds}

    def __iter__(self) -> Iterator[Decoded]:
        while self._peeked:
            yield self._peeked.pop(0)
        yield from self._decoded

    def _decode(self) -> Iterator[Decoded]:
        import av

        packets = self.container.demux([self.container.streams[i] for i in self._streams])
        try:
            for packet in packets:
                if packet.stream.index in self._streams:
                    yield from self._frames(packet.stream.index, packet)
            return
        except IndexError:
            # PyAV 18 trips at the end over streams that turned up on the way (a damaged .ts)
            self.error = ""
        except av.FFmpegError as error:  # the container itself: nothing more can be read
            silent = isinstance(error, av.error.ExitError)  # how a timeout looks
            self.error = "nothing more came" if silent else error.strerror or str(error)
        for index, kind in self._streams.items():
            yield from self._frames(index, None)  # what the decoder still holds
            if self.error and index not in self._damaged:
                yield kind, self._clocks[index].end, f"ends here ({self.error})"

    def _frames(self, index: int, packet: Any) -> Iterator[Decoded]:
        import av

        kind, clock = self._streams[index], self._clocks[index]
        try:
            stream: Any = self.container.streams[index]
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            if isinstance(error, EOFError):  # flushed already
                return
            self.error = self.errors[kind] = self._why(index, error)
            if index not in self._damaged:
                self._damaged.add(index)
                yield kind, clock.end, f"cannot be decoded here ({self.error})"
            return
        for frame in frames:
            t = clock.time_of(frame)
            if kind == "audio" and (repaired := of_numbers(frame)) is not frame:
                frame = repaired
                if index not in self._numberless:
                    self._numberless.add(index)
                    yield (
                        kind,
                        t,
                        "has samples that are NaN or infinite, which are taken as silence",
                    )
            yield kind, t, frame

    def _why(self, index: int, error: av.FFmpegError) -> str:
        """Why a packet was not decoded, in words.

        FFmpeg calls a frame beyond the limit an invalid argument, or leaves the size unknown where
        it was not declared.
        """
        reason = error.strerror or str(error)
        if self._streams[index] != "video":
            return reason
        if too_large := excess(*self._sizes[index], self._largest_px):
            return too_large
        if error.errno == errno.EINVAL or 0 in _size(self.container.streams[index]):
            return f"more than {limit(self._largest_px)}, or damaged: {reason}"
        return reason


def _size(stream: Any) -> tuple[int, int]:
    """Width and height of a video stream's frames as far as they are known, else 0."""
    context = stream.codec_context
    return (context.width, context.height) if stream.type == "video" else (0, 0)


class _FrameTimes:
    """Seconds of each frame of a stream, whatever its timestamps are like.

    A frame without one, or with one beyond the file's declared end (a damaged one), follows the
    frame before. Where they jump back by more than ``_JUMP_BACK_S`` (recordings put end to end)
    the count goes on from where it was.
    """

    def __init__(self, container: av.container.InputContainer, index: int) -> None:
        stream: Any = container.streams[index]
        rate = stream.average_rate if stream.type == "video" else None
        self._period = 1.0 / float(rate) if rate else 0.04
        self._shift = 0.0
        self._limit = math.inf
        if container.duration:
            declared = ((container.start_time or 0) + container.duration) / 1e6
            self._limit = declared + _OVERTIME_S
        self._started = False
        self.end = 0.0

    def time_of(self, frame: Any) -> float:
        if frame.time is None or frame.time > self._limit:
            t = self.end
        else:
            t = float(frame.time) + self._shift
            if self._started and t < self.end - _JUMP_BACK_S:
                self._shift += self.end - t
                t = self.end
        samples = getattr(frame, "samples", None)
        self.end = t + (samples / frame.sample_rate if samples is not None else self._period)
        self._started = True
        return t
