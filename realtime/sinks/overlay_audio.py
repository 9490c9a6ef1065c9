"""Sound of the annotated video: the source's, decoded and encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.recordings import recorded_with
from mmer.realtime.sources.address import is_url, shown
from mmer.realtime.sources.mixing import Mixer, is_tracks
from mmer.realtime.sources.reader import Reader, choose_streams, open_container

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer, OutputContainer

RATE: Final = 48_000
"""Samples a second of the sound in the video: every AAC decoder knows it."""
_FRAME: Final = 1024  # samples in an AAC frame
_TOLERATED_S: Final = 0.02  # a time stamp off by less is jitter, not a hole
_PATIENCE_S: Final = 5.0

Piece = tuple[float | None, NDArray[np.float32]]
"""Seconds of the first sample (None: follows on) and samples, shape (channels, n)."""


class SourceSound:
    """Sound of ``address`` as MediaFile reads it, on the same second 0, at 48 kHz.

    ``channels`` is 1 or 2, or 0 where there is no sound. Damage is skipped, as MediaFile does,
    which reports it. Raises MmerError if the source cannot be opened.
    """

    def __init__(self, address: str) -> None:
        self._address = address if is_url(address) else str(Path(address).absolute())
        self._container = self._open()
        self.channels = 0
        found = choose_streams(self._container)
        if "audio" not in found:
            return
        self._reader = Reader(self._container, {"audio": found["audio"]})
        self._reader.prime(_PATIENCE_S)
        starts = list(self._reader.first.values())
        if not starts:  # none of it can be decoded
            return
        if "video" in found:
            with self._open() as other:  # the first frame alone, for second 0
                video = Reader(other, {"video": found["video"]})
                video.prime(_PATIENCE_S)
                starts += video.first.values()
        self._zero = min(starts) if recorded_with(address) is None else 0.0
        stream: Any = self._container.streams[found["audio"]]
        layout = stream.codec_context.layout
        self.channels = 1 if is_tracks(layout) else min(max(layout.nb_channels, 1), 2)

    @property
    def layout(self) -> str:
        """FFmpeg's name of the channel layout."""
        return "mono" if self.channels == 1 else "stereo"

    def pieces(self) -> Iterator[Piece]:
        """The sound, decoded as it is asked for."""
        resampler: Any = None
        form = None
        mixer = Mixer()
        for _, t, frame in self._reader:
            if isinstance(frame, str):
                continue
            sound: Any = frame
            if self.channels == 1:
                sound = mixer.push(sound)
            if form != (sound.format.name, sound.layout.name, sound.sample_rate):
                form = (sound.format.name, sound.layout.name, sound.sample_rate)
                yield from self._converted(resampler, None, None)
                resampler = self._resampler()
            yield from self._converted(resampler, sound, t - self._zero)
        yield from self._converted(resampler, None, None)

    def close(self) -> None:
        """Close the source."""
        self._container.close()

    def _open(self) -> InputContainer:
        import av

        try:
            return open_container(self._address, network=is_url(self._address))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MmerError(f"cannot open {shown(self._address)}: {reason}") from error

    def _resampler(self) -> Any:
        from av.audio.resampler import AudioResampler

        return AudioResampler(format="fltp", layout=self.layout, rate=RATE)

    @staticmethod
    def _converted(resampler: Any, frame: AudioFrame | None, t: float | None) -> Iterator[Piece]:
        for piece in () if resampler is None else resampler.resample(frame):
            if piece is not None:  # what PyAV gives back when there was nothing to flush
                yield t, np.asarray(piece.to_ndarray(), np.float32)
                t = None


class OverlaySound:
    """Encoder of ``source`` as AAC into ``output``, bit by bit, as far as the video has come.

    The sound is laid out by its time stamps, holes filled with silence and overlaps cut off, so
    that it stays in sync.
    """

    def __init__(self, source: SourceSound, output: OutputContainer) -> None:
        self._output = output
        self._layout = source.layout
        self._stream: Any = output.add_stream("aac", rate=RATE, layout=source.layout)
        self._stream.bit_rate = 64_000 * source.channels
        self._pieces = source.pieces()
        self._waiting = np.zeros((source.channels, 0), np.float32)  # (channels, n), not encoded
        self._placed = 0  # samples laid out since second 0
        self._encoded = 0  # samples encoded since second 0
        self._over = False

    def pump(self, until_s: float) -> None:
        """Write whole AAC frames up to ``until_s`` seconds."""
        while not self._over and self._placed < until_s * RATE:
            piece = next(self._pieces, None)
            if piece is None:
                self._over = True
            else:
                self._place(*piece)
        while self._waiting.shape[1] >= _FRAME and self._encoded + _FRAME <= until_s * RATE:
            self._encode(_FRAME)

    def finish(self, until_s: float) -> None:
        """Write the rest up to ``until_s`` seconds and finish the stream."""
        self.pump(until_s)
        left = min(self._waiting.shape[1], max(round(until_s * RATE) - self._encoded, 0))
        if left:
            self._encode(left)
        self._output.mux(self._stream.encode(None))

    def _place(self, t: float | None, samples: NDArray[np.float32]) -> None:
        """Append ``samples`` where they belong: after silence, or without what overlaps."""
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
