"""The source's sound, decoded and encoded again for the annotated video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

RATE: Final = 48_000
"""Samples a second of the sound in the video: every AAC decoder knows it."""
_FRAME: Final = 1024  # samples in an AAC frame
_TOLERATED_S: Final = 0.02  # a time stamp off by less is jitter, not a hole


class OverlaySound:
    """Carry the first sound stream of ``source`` into ``output``, on the same second 0.

    The sound is laid out by its time stamps, holes filled with silence, so that it stays with the
    picture. It is decoded as it is needed (``pump``), never held whole. Where the source is
    damaged the sound ends.
    """

    def __init__(self, source: InputContainer, output: OutputContainer) -> None:
        from av.audio.resampler import AudioResampler

        stream = source.streams.audio[0]
        channels = min(max(stream.codec_context.channels, 1), 2)
        layout = "mono" if channels == 1 else "stereo"
        self._output = output
        self._stream: Any = output.add_stream("aac", rate=RATE, layout=layout)
        self._stream.bit_rate = 64_000 * channels
        self._layout = layout
        self._origin = second_0(source)
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=RATE)
        self._pieces = self._decoded(source, stream)
        self._waiting = np.zeros((channels, 0), np.float32)  # shape (channels, n), not yet encoded
        self._placed = 0  # samples laid out since second 0
        self._encoded = 0  # samples encoded since second 0
        self._over = False

    def pump(self, until_s: float) -> None:
        """Write the sound up to ``until_s`` seconds."""
        while not self._over and self._placed < until_s * RATE:
            piece = next(self._pieces, None)
            if piece is None:
                self._over = True
            else:
                self._place(*piece)
        while self._waiting.shape[1] >= _FRAME and self._encoded + _FRAME <= until_s * RATE:
            self._encode(_FRAME)

    def finish(self, until_s: float) -> None:
        """Write the sound up to ``until_s`` seconds and finish the stream."""
        self.pump(until_s)
        left = min(self._waiting.shape[1], max(round(until_s * RATE) - self._encoded, 0))
        if left:
            self._encode(left)
        self._output.mux(self._stream.encode(None))

    def _decoded(
        self, source: InputContainer, stream: Any
    ) -> Iterator[tuple[float | None, NDArray[np.float32]]]:
        """Time and samples (channels, n) of one decoded frame after the other."""
        import av

        try:
            for frame in source.decode(stream):
                t = None if frame.time is None else float(frame.time) - self._origin
                for resampled in self._resampler.resample(frame):
                    yield t, np.asarray(resampled.to_ndarray(), np.float32)
                    t = None  # the rest follows on
            for resampled in self._resampler.resample(None):
                yield None, np.asarray(resampled.to_ndarray(), np.float32)
        except av.error.FFmpegError:
            return  # the source has said so itself, in a notice

    def _place(self, t: float | None, samples: NDArray[np.float32]) -> None:
        """Append ``samples`` where they belong: silence before, or what overlaps cut off."""
        off = 0 if t is None else round(t * RATE) - self._placed
        if abs(off) > _TOLERATED_S * RATE:
            if off > 0:
                silence = np.zeros((samples.shape[0], off), np.float32)
                samples = np.concatenate((silence, samples), axis=1)
            else:
                samples = samples[:, -off:]
        self._waiting = np.concatenate((self._waiting, samples), axis=1)
        self._placed += samples.shape[1]

    def _encode(self, n: int) -> None:
        from av.audio.frame import AudioFrame

        block = np.ascontiguousarray(self._waiting[:, :n])
        self._waiting = self._waiting[:, n:]
        frame = AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
        frame.sample_rate = RATE
        frame.time_base = Fraction(1, RATE)
        frame.pts = self._encoded
        self._encoded += n
        self._output.mux(self._stream.encode(frame))


def second_0(source: InputContainer) -> float:
    """The start of the earliest of the sound and picture streams used, in the file's own time."""
    streams = [*source.streams.audio[:1], *source.streams.video[:1]]
    starts = [
        float(s.start_time * s.time_base)
        for s in streams
        if s.start_time is not None and s.time_base is not None
    ]
    return min(starts, default=0.0)
