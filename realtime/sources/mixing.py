"""Mixing of sound to one channel, where FFmpeg cannot or where the channels cancel each other."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

_STEREO: Final = 2
"""More channels than this, without a layout, are tracks of a recorder and no surround sound."""
_PLANES: Final = 8
"""PyAV reads beyond the planes of a frame that has as many, or more, and crashes."""
_SOUNDING: Final = (100 / 32768) ** 2
"""Power below which a channel is silent: full scale is 1."""
_HEARD: Final = (10 / 32768) ** 2
"""Power below which a channel has had no sound: an input without a microphone is not quite zero."""
_LOUDEST: Final = 8.0
"""Floats beyond this are cut off, so that their power is a number; full scale is 1."""

# power of the mix over that of the same channels, were they independent
_CANCELLED: Final = 0.05
_CERTAIN_S: Final = 0.2
_WEAKENED: Final = 0.25
"""On average over ``_WINDOW_S``: the mix of two is then about 10 dB below the louder one.

Two microphones in one room lose less: speech is like its own echo for moments, not for a second.
"""
_WINDOW_S: Final = 1.0


def is_tracks(layout: Any) -> bool:
    """Whether a layout's channels are tracks: it names no places, or FFmpeg cannot mix them.

    FFmpeg guesses places for 3 to 8 channels, and drops what it takes for the subwoofer.
    """
    if layout.nb_channels <= _STEREO:
        return False
    return layout.name == f"{layout.nb_channels} channels" or _weights(layout.name) is None


class Mixer:
    """Frames of any layout in; the frame itself, which FFmpeg can mix, or one in mono, out.

    Tracks become the mean of those that have had sound so far, and so does stereo: one microphone
    at an input for two is as loud as in mono. Where the channels cancel each other in the mix (a
    cable with one pole swapped, a microphone wired as if it were two), the loudest channel alone is
    used from then on: after 0.2 s of next to nothing, or 1 s of about 10 dB below the louder
    channel. Where it has been silent for 1 s in which another was not (the sound is of another
    device by now), all are used again.
    """

    def __init__(self) -> None:
        self.channel: int | None = None
        """The one channel that is used, from 0, because the channels cancel each other."""
        self._reports: list[str] = []
        self._cancelled_s = 0.0
        self._silent_s = 0.0  # of the one channel, while another had sound
        self._window = np.zeros(3)  # power mixed, power apart, seconds
        self._had_sound: NDArray[np.bool_] = np.zeros(0, np.bool_)  # shape (channels,)

    def reports(self) -> list[str]:
        """What was found since the last call, in words, each once."""
        reports, self._reports = self._reports, []
        return reports

    def push(self, frame: av.AudioFrame) -> av.AudioFrame:
        """``frame``, or its sound in mono."""
        if frame.layout.nb_channels < 2 or not frame.samples:
            return frame
        sound = _channels(frame)
        heard = self._heard(sound)
        tracks = is_tracks(frame.layout) or (len(sound) == _STEREO and not heard.all())
        weights = (
            np.asarray(heard / heard.sum(), np.float32) if tracks else _weights(frame.layout.name)
        )
        if weights is None:  # FFmpeg can say best what is wrong
            return frame
        if self.channel is None:
            self._look_for_cancelling(sound, weights, frame.sample_rate)
        else:
            self._look_for_silence(sound, self.channel, frame.sample_rate)
        if self.channel is not None:
            return _in_mono(sound[min(self.channel, len(sound) - 1)], frame)
        return _in_mono(weights @ sound, frame) if tracks else frame

    def _heard(self, sound: NDArray[np.float32]) -> NDArray[np.bool_]:
        """The channels that have had sound so far, all where none has: bool (channels,)."""
        if len(self._had_sound) != len(sound):
            self._had_sound = np.zeros(len(sound), np.bool_)
        self._had_sound |= np.square(sound).mean(axis=1) >= _HEARD
        return self._had_sound if self._had_sound.any() else ~self._had_sound

    def _look_for_cancelling(
        self, sound: NDArray[np.float32], weights: NDArray[np.float32], rate: int
    ) -> None:
        power = np.square(sound).mean(axis=1) * (weights > 0)  # shape (channels,)
        if power.max() < _SOUNDING:
            return
        mixed = float(np.square(weights @ sound).mean())
        apart = float(np.square(weights) @ power)
        seconds = sound.shape[1] / rate
        self._cancelled_s = self._cancelled_s + seconds if mixed < _CANCELLED * apart else 0.0
        self._window += (mixed * seconds, apart * seconds, seconds)
        weakened = False
        if self._window[2] >= _WINDOW_S:
            weakened = self._window[0] < _WEAKENED * self._window[1]
            self._window[:] = 0.0
        if weakened or self._cancelled_s >= _CERTAIN_S:
            self.channel = int(power.argmax())
            self._reports.append(
                f"the channels of its sound cancel each other: channel {self.channel + 1} is used"
            )

    def _look_for_silence(self, sound: NDArray[np.float32], used: int, rate: int) -> None:
        power = np.square(sound).mean(axis=1)  # shape (channels,)
        if power[min(used, len(power) - 1)] >= _SOUNDING:
            self._silent_s = 0.0
        elif power.max() >= _SOUNDING:
            self._silent_s += sound.shape[1] / rate
        if self._silent_s >= _WINDOW_S:
            self.channel, self._silent_s, self._cancelled_s = None, 0.0, 0.0
            self._window[:] = 0.0
            self._had_sound[:] = False
            self._reports.append(f"channel {used + 1} of its sound is silent: all are used again")


@lru_cache(maxsize=64)
def _weights(layout: str) -> NDArray[np.float32] | None:
    """FFmpeg's weights of a layout's channels in mono int16: (channels,); None: it cannot mix."""
    import av

    n, each = av.AudioLayout(layout).nb_channels, 64
    samples = np.repeat(np.eye(n, dtype=np.float32) / 2, each, axis=0)  # one channel at a time
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
    frame.sample_rate = 16_000
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    try:
        mixed = [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    except av.FFmpegError:
        return None
    weights = np.asarray(np.concatenate(mixed)[each // 2 :: each] / 2**14, np.float32)
    return weights if len(weights) == n and weights.any() else None


def of_numbers(frame: av.AudioFrame) -> av.AudioFrame:
    """``frame``, or one like it with zeros in place of samples that are NaN or infinite."""
    import av

    if not frame.samples or not frame.format.name.startswith(("flt", "dbl")):
        return frame
    whole = _readable(frame)
    samples = whole.to_ndarray()
    with np.errstate(over="ignore"):  # FFmpeg makes float32 of float64
        numbers = np.isfinite(samples.astype(np.float32))
    if numbers.all():
        return frame
    repaired = np.where(numbers, samples, samples.dtype.type(0))
    made = av.AudioFrame.from_ndarray(repaired, whole.format.name, whole.layout.name)
    return _timed(made, frame)


def _readable(frame: av.AudioFrame) -> av.AudioFrame:
    """``frame``, packed if it has more planes than PyAV can read."""
    import av

    if not frame.format.is_planar or frame.layout.nb_channels < _PLANES:
        return frame
    packer = av.AudioResampler(frame.format.packed.name, frame.layout.name, frame.sample_rate)
    (packed,) = packer.resample(frame)
    return packed


def _channels(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The frame's channels in -1..1: float32 (channels, n)."""
    frame = _readable(frame)
    array: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype.kind == "f":
        return array.clip(-_LOUDEST, _LOUDEST).astype(np.float32)
    full = float(2 ** (8 * array.dtype.itemsize - 1))
    centre = full if array.dtype.kind == "u" else 0.0
    return ((array.astype(np.float32) - centre) / full).astype(np.float32)


def _in_mono(sound: NDArray[np.float32], frame: av.AudioFrame) -> av.AudioFrame:
    import av

    samples = np.ascontiguousarray(sound[None])
    return _timed(av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono"), frame)


def _timed(made: av.AudioFrame, frame: av.AudioFrame) -> av.AudioFrame:
    """``made`` at the rate and time of ``frame``."""
    made.sample_rate = frame.sample_rate
    made.pts = frame.pts
    if frame.time_base is not None:
        made.time_base = frame.time_base
    return made
