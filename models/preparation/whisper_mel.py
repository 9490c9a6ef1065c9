"""Whisper's log-mel spectrogram, the same in training and live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Lengths, Sound
from mmer.models.preparation.sound import SHIFT, WINDOW, GrowingSound, SoundPreparation

BINS: Final = 80
LOWEST: Final = 1e-10
"""Whisper's least power of a mel band; also that of digital silence."""
LEVEL: Final = -1.0
"""log10 of the mean mel power to which a segment is brought: speech of a mean square of 0.01."""
EDGE: Final = 2
"""First frames of a segment whose windows reach beyond its begin."""


@cache
def mel_filters() -> NDArray[np.float32]:
    """Slaney's mel filters of equal area, (201, 80): those of librosa and Whisper, to 8 kHz."""
    step, corner = 200 / 3, 1000.0  # linear below the corner, logarithmic above
    top = corner / step + np.log(SAMPLE_RATE / 2 / corner) / (np.log(6.4) / 27)
    mels = np.linspace(0, top, BINS + 2)
    hertz = np.where(
        mels < corner / step,
        step * mels,
        corner * np.exp(np.log(6.4) / 27 * (mels - corner / step)),
    )
    bands = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)[:, None]
    rise = (bands - hertz[:-2]) / (hertz[1:-1] - hertz[:-2])
    fall = (hertz[2:] - bands) / (hertz[2:] - hertz[1:-1])
    filters = np.maximum(0, np.minimum(rise, fall)) * 2 / (hertz[2:] - hertz[:-2])
    return np.asarray(filters, np.float32)


def mel_power(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel power of windows (T, 400): float32 (T, 80), the same bits however many there are."""
    hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)  # periodic, as torch's
    spectrum = np.fft.rfft(windows * hann)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    # a product for each frame: how BLAS sums in one of them all depends on their number
    return np.asarray(np.matmul(power[:, None], mel_filters())[:, 0], np.float32)


class MelFrames:
    """Mel power of the frames of a growing sound whose windows lie within it: it is final."""

    def __init__(self) -> None:
        self._power = np.zeros((0, BINS), np.float32)
        self._at = 0  # sample of the sound in the middle of the first of them

    def power(self, signal: NDArray[np.float32], begin: int) -> NDArray[np.float32]:
        """Mel power (n // 160, 80) of the newest part (n,) of the sound, its sample ``begin`` on.

        Whatever was asked for before, it is the power of ``signal`` by itself.
        """
        count = len(signal) // SHIFT
        padded = np.pad(signal, WINDOW // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::SHIFT][:count]
        at = begin + EDGE * SHIFT
        final = max(0, (len(signal) - WINDOW // 2) // SHIFT + 1 - EDGE)  # from frame EDGE on
        known = self._power[:0]
        if at >= self._at and (at - self._at) % SHIFT == 0:
            known = self._power[(at - self._at) // SHIFT :][:final]
        new = mel_power(windows[EDGE + len(known) :])
        power = np.concatenate([mel_power(windows[:EDGE]), known, new])
        self._power, self._at = power[EDGE : EDGE + final], at
        return power


@dataclass(frozen=True)
class WhisperMel:
    """Log-mel spectrogram of Radford et al. 2023 ("Whisper"), after a gain.

    80 Slaney mel bands of Hann windows of 25 ms each 10 ms, centred, log10, clamped to
    ``range_db`` below the loudest, (x + 4) / 4. The gain brings a segment's mean mel power to
    ``LEVEL``: the result does not depend on the microphone's, and noise may be added to ``raw``.
    """

    range_db: float = 80.0

    @property
    def bins(self) -> int:
        """Number of mel bands."""
        return BINS

    def frames(self, n_samples: int) -> int:
        """Number of frames of ``n_samples``: one each 10 ms."""
        return n_samples // SHIFT

    def raw(
        self, samples: NDArray[np.generic], begin: int = 0, kept: MelFrames | None = None
    ) -> NDArray[np.float32]:
        """Natural-log mel power of 16 kHz samples, int16 or float (n,): float32 (n // 160, 80).

        It is relative to the loudest sample. Of a growing sound, ``samples`` are the newest part,
        from sample ``begin`` on, and ``kept`` its frames: the same result with less work.
        """
        if not self.frames(len(samples)):
            return np.zeros((0, BINS), np.float32)
        signal = samples.astype(np.float32)
        peak = max(float(np.abs(signal).max()), 1e-12)
        power = (kept or MelFrames()).power(signal, begin)
        return np.asarray(np.log(np.maximum(power / np.float32(peak**2), LOWEST)), np.float32)

    def normalise(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        """Whisper's scaling of a raw spectrogram (T, 80) at a mean power of ``LEVEL``: float32."""
        x = raw.astype(np.float32)
        if not len(x):
            return x
        x = x / np.float32(np.log(10))
        x += np.float32(LEVEL - np.log10(max(float((10.0 ** x.astype(np.float64)).mean()), 1e-30)))
        return np.asarray((np.maximum(x, x.max() - self.range_db / 10) + 4) / 4, np.float32)

    def __call__(
        self, samples: NDArray[np.generic], begin: int = 0, kept: MelFrames | None = None
    ) -> NDArray[np.float32]:
        """Normalised log-mel of samples (n,): float32 (n // 160, 80); arguments as of ``raw``."""
        return self.normalise(self.raw(samples, begin, kept))


@dataclass(frozen=True)
class WhisperSegment(SoundPreparation):
    """``WhisperMel`` of the last ``longest_s`` seconds, float32 (T, 80), not padded to 30 s.

    A sound shorter than ``least_s`` is set into silence. None for zeros alone.
    """

    kind = "whisper-log-mel"
    title = "Whisper's log-mel spectrogram"
    names = ("features",)

    range_db: float = 80.0
    least_s: float = 0.5
    longest_s: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not WINDOW / SAMPLE_RATE <= self.least_s <= self.longest_s <= 30:
            raise MmerError(
                f"{self.kind}: least_s is {self.least_s:g} and longest_s {self.longest_s:g}, "
                "expected 0.025 to longest_s, and to 30 seconds"
            )
        if not 0 < self.range_db <= 200:
            raise MmerError(f"{self.kind}: range_db is {self.range_db:g}, expected above 0, to 200")

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        return self._prepare(raw, 0, None)

    def growing(self) -> GrowingSound:
        return partial(self._prepare, kept=MelFrames())

    def _prepare(
        self, raw: Sound, begin: int, kept: MelFrames | None
    ) -> tuple[NDArray[np.float32], ...] | None:
        samples = raw[-round(self.longest_s * SAMPLE_RATE) :]
        if not samples.any():
            return None
        mel = WhisperMel(self.range_db)
        missing = round(self.least_s * SAMPLE_RATE) - len(samples)
        if missing > 0:
            return (mel(np.pad(samples, (0, missing))),)
        return (mel(samples, begin + len(raw) - len(samples), kept),)

    def lengths(self) -> Lengths:
        least, most = (round(s * SAMPLE_RATE) // SHIFT for s in (self.least_s, self.longest_s))
        return Lengths.between(least, most)
