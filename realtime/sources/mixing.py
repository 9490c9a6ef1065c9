"""Mixing of sound to one channel, where FFmpeg cannot or where the channels cancel each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

_SURROUND: Final = 8
"""More channels than this, without a layout, are tracks of a recorder and no surround sound."""
_SOUNDING: Final = (100 / 32768) ** 2
"""Power below which a channel is silent: full scale is 1."""
_CANCELLED: Final = 0.02
"""Power of the mix over that of the same channels, were they independent."""
_CERTAIN_S: Final = 0.1


def is_many_tracks(layout: Any) -> bool:
    """Whether a layout is of more channels than FFmpeg knows how to mix, each a track."""
    many: bool = layout.nb_channels > _SURROUND
    return many and layout.name == f"{layout.nb_channels} channels"


class Mixer:
    """Frames of any layout in; the frame itself, which FFmpeg can mix, or one in mono, out.

    Many tracks become the mean of those that have had sound so far. Where the mix of sounding
    channels is silent for 0.1 s (a cable with one pole swapped, a microphone wired as if it were
    two), the loudest channel alone is used from then on, and ``channel`` is its number from 0.
    """

    def __init__(self) -> None:
        self.channel: int | None = None
        self._cancelled_s = 0.0
        self._used: NDArray[np.bool_] = np.zeros(0, np.bool_)  # shape (channels,)

    def push(self, frame: av.AudioFrame) -> av.AudioFrame:
        """``frame``, or its sound in mono."""
        if frame.layout.nb_channels < 2 or not frame.samples:
            return frame
        sound = _channels(frame)
        if self.channel is None:
            self._look_for_cancelling(sound, frame.sample_rate)
        if self.channel is not None:
            return _in_mono(sound[min(self.channel, len(sound) - 1)], frame)
        if not is_many_tracks(frame.layout):
            return frame
        if len(self._used) != len(sound):
            self._used = np.zeros(len(sound), np.bool_)
        self._used |= sound.any(axis=1)
        used = sound[self._used] if self._used.any() else sound
        return _in_mono(used.mean(axis=0, dtype=np.float32), frame)

    def _look_for_cancelling(self, sound: NDArray[np.float32], rate: int) -> None:
        power = np.square(sound).mean(axis=1)  # shape (channels,)
        if power.max() < _SOUNDING:
            return
        mixed = float(np.square(sound.mean(axis=0)).mean())
        if mixed >= _CANCELLED * float(power.sum()) / len(sound) ** 2:
            self._cancelled_s = 0.0
            return
        self._cancelled_s += sound.shape[1] / rate
        if self._cancelled_s >= _CERTAIN_S:
            self.channel = int(power.argmax())


def _channels(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The frame's channels in -1..1: float32 (channels, n)."""
    array: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    full = float(2 ** (8 * array.dtype.itemsize - 1))
    centre = full if array.dtype.kind == "u" else 0.0
    return ((array.astype(np.float32) - centre) / full).astype(np.float32)


def _in_mono(sound: NDArray[np.float32], frame: av.AudioFrame) -> av.AudioFrame:
    import av

    mono = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(sound[None]), format="fltp", layout="mono"
    )
    mono.sample_rate = frame.sample_rate
    mono.pts, mono.time_base = frame.pts, frame.time_base
    return mono
