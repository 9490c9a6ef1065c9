"""Tracks: decoded frames with their timestamps in, messages of one stream out."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE, AudioBlock, Gap, Stream, VideoFrame
from mmer.realtime.pacing import Captured, Thinning, captured_at
from mmer.realtime.sources.frame_size import LARGEST_PX, excess
from mmer.realtime.sources.resample import Resampler, is_rate

if TYPE_CHECKING:
    import av

HOLE_S: Final = 0.040
"""Audio timestamps that stray less than this from the count of samples are jitter."""


class AudioTrack:
    """Sound frames to 16 kHz blocks of ``block_s``; holes in the timestamps to ``Gap``.

    Within a run the blocks follow from the count of samples, so jitter of the timestamps is
    absorbed; a hole beyond ``HOLE_S`` ends the run, and a frame that comes earlier than that
    (it overlaps) is dropped.
    """

    def __init__(self, block_s: float) -> None:
        self._block = max(1, round(block_s * SAMPLE_RATE))
        self._resampler = Resampler()
        self._pending: NDArray[np.int16] = np.zeros(0, np.int16)
        self._t = 0.0  # of the first pending sample
        self._fed_until: float | None = None  # end of what went into the resampler

    @property
    def end(self) -> float:
        """Time up to which everything was given out."""
        return self._t

    def begin(self, t: float) -> None:
        """Take it for granted that the sound starts at ``t``: nothing is lost before."""
        self._t = t

    def reports(self) -> list[str]:
        """What was found wrong with the sound since the last call, in words."""
        return self._resampler.mixer.reports()

    def push(self, t: float, frame: av.AudioFrame) -> Iterator[AudioBlock | Gap]:
        """A decoded frame whose first sample sounded at ``t``; dropped if damaged beyond sound."""
        if not is_rate(frame.sample_rate):
            return
        if self._fed_until is None or t > self._fed_until + HOLE_S:
            started = self._fed_until is not None
            yield from self.finish()
            # a start within the jitter is taken as it is: it moves later sound by nothing
            if t > self._t + HOLE_S:
                cause = "hole in the sound's timestamps" if started else "the sound starts later"
                yield Gap("audio", self._t, t, cause)
            self._t = self._fed_until = t
        elif t < self._fed_until - HOLE_S:
            return
        sound = self._resampler.push(frame)
        self._fed_until += frame.samples / frame.sample_rate  # what cannot be converted is a hole
        self._pending = np.concatenate((self._pending, sound))
        yield from self._blocks(self._block)

    def finish(self) -> Iterator[AudioBlock]:
        """What is held back: the resampler's tail and the last, shorter block."""
        self._pending = np.concatenate((self._pending, self._resampler.flush()))
        yield from self._blocks(self._block)
        yield from self._blocks(len(self._pending) or 1)

    def _blocks(self, size: int) -> Iterator[AudioBlock]:
        while len(self._pending) >= size:
            block = AudioBlock(self._t, self._pending[:size].copy())
            self._pending = self._pending[size:]
            self._t = block.t1  # by chaining, so that blocks meet exactly
            yield block


class VideoTrack:
    """Video frames, thinned by timestamp to at most ``fps``, upright and in shape, as BGR.

    ``pixel_aspect`` is the width of the file's pixels over their height, 1 unless set. Frames of
    more than ``largest_px`` raise ValueError.
    """

    def __init__(self, fps: float | None, largest_px: int = LARGEST_PX) -> None:
        self.pixel_aspect = Fraction(1)
        self._largest_px = largest_px
        self._thinning = Thinning(fps)
        self._t = -1.0
        self._rotation = 0
        self._placement: Placement | None = None

    @property
    def end(self) -> float:
        """Time of the newest frame, taken or not."""
        return max(self._t, 0.0)

    def push(self, t: float, frame: av.VideoFrame) -> Iterator[VideoFrame]:
        """A decoded frame captured at ``t``; out-of-order ones are dropped."""
        if t <= self._t:
            return
        self._t = t
        if self._thinning.takes(t):
            placed, largest_px = self._placed(frame), self._largest_px
            yield VideoFrame(t, upright(frame, placed, self.pixel_aspect, largest_px))

    def reports(self) -> list[str]:
        return []

    def finish(self) -> Iterator[VideoFrame]:
        return iter(())

    def _placed(self, frame: av.VideoFrame) -> Placement:
        """The frame's placement, looked up when its rotation changes.

        Not at every frame: PyAV's side data and its frame hold on to each other, so that every
        frame would stay in memory until the next garbage collection.
        """
        rotation = frame.rotation
        if self._placement is None or rotation != self._rotation:
            self._rotation, self._placement = rotation, placement(frame)
        return self._placement


@cache
def _conversion() -> dict[str, Any]:
    """To BGR on one thread: for images of this size a pool costs more than it saves."""
    import av

    one_thread = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
    return {"format": "bgr24", **one_thread}


class Placement(NamedTuple):
    """Steps that turn a stored image upright: first transposed, then flipped."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool


def placement(frame: av.VideoFrame) -> Placement:
    """Read the frame's display matrix.

    Phones store images as the sensor lies and add a display matrix (a b u; c d v; x y w) that
    takes stored x, y to shown x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2; FFmpeg's
    ``libavutil/display.h``). Only its quarter turns and mirrorings are followed.
    """
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data
    side = side_data.get(Type.DISPLAYMATRIX)
    if side is None:
        return Placement(False, False, False)
    a, b, _, c, d = (int(v) for v in np.frombuffer(side, np.int32)[:5])
    transpose = abs(b) + abs(c) > abs(a) + abs(d)
    x, y = (c, b) if transpose else (a, d)
    return Placement(transpose, flip_rows=y < 0, flip_columns=x < 0)


def upright(
    frame: av.VideoFrame,
    placed: Placement,
    pixel_aspect: Fraction = Fraction(1),
    largest_px: int = LARGEST_PX,
) -> NDArray[np.uint8]:
    """The frame as people see it: upright, square pixels, uint8 (H, W, 3) BGR, C-contiguous.

    Pixels that are not square (DV, DVD, HDV) are made so by the width, as players do. Raises
    ValueError where that makes the frame too large.
    """
    width = max(1, round(frame.width * pixel_aspect))
    if too_large := excess(width, frame.height, largest_px):
        raise ValueError(too_large)
    shape: dict[str, Any] = {} if pixel_aspect == 1 else {"width": width}
    image = frame.to_ndarray(**_conversion(), **shape)  # shape (H, W, 3)
    if placed.transpose:
        image = image.transpose(1, 0, 2)
    image = image[:: -1 if placed.flip_rows else 1, :: -1 if placed.flip_columns else 1]
    return np.ascontiguousarray(image, dtype=np.uint8)


def in_order(
    messages: Iterable[tuple[Stream, Captured]], streams: Iterable[Stream], patience_s: float = 1.0
) -> Iterator[Captured]:
    """Merge the streams of one demuxer, each in order, into one order of availability.

    A message waits until every stream has got as far, but never for more than ``patience_s`` of
    the timeline: a stream that fell silent must not hold (and store) the other.
    """
    reached = dict.fromkeys(streams, 0.0)
    waiting: list[tuple[float, int, Captured]] = []
    for number, (stream, message) in enumerate(messages):
        t = captured_at(message)
        heapq.heappush(waiting, (t, number, message))
        reached[stream] = max(reached[stream], t)
        limit = max(min(reached.values()), max(reached.values()) - patience_s)
        while waiting and waiting[0][0] <= limit:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
