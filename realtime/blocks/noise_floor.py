"""Adaptive noise floor: how far a frame of sound stands above the background.

webrtcvad alone takes steady noise for speech (white noise at 5 dB below the voice nearly always).
Steady noise has one property that speech lacks: in each band its level hardly moves. So the floor
of a band is a low quantile of its recent levels, and a frame counts by how far its bands rise
above their floors. The idea is that of minimum statistics (Martin 2001, IEEE Trans. Speech and
Audio Processing 9(5)), with a quantile in the place of the biased minimum (Stahl et al. 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.realtime.messages import SAMPLE_RATE

BAND_EDGES_HZ: Final = (100, 300, 500, 750, 1050, 1450, 2000, 2800, 4000, 6000)
"""Bands of about equal weight for speech; rumble below 100 Hz counts for nothing."""

FULL_SCALE: Final = 32768.0


@dataclass(frozen=True)
class NoiseFloorConfig:
    """Window and quantile of the floor.

    A noise that begins becomes the floor when it has filled all but ``quantile`` of the window;
    at the start of the stream it is enough that it fills the stream so far, once that
    is ``learn_s`` long. Until then the background is taken for quiet: many clips begin with speech.
    """

    window_s: float = 2.5
    learn_s: float = 1.0
    quantile: float = 0.2
    update_s: float = 0.1  # how often the quantiles are taken anew
    quiet_dbfs: float = -75.0  # a band's floor is never lower, and starts here
    best_bands: int = 3  # the excess is the mean over so many of the highest bands


class NoiseFloor:
    """Follows the level of each band, frame by frame; about 30 us a frame."""

    def __init__(self, frame_samples: int, config: NoiseFloorConfig | None = None) -> None:
        self.config = config or NoiseFloorConfig()
        frame_s = frame_samples / SAMPLE_RATE
        self._every = max(1, round(self.config.update_s / frame_s))
        self._length = round(self.config.window_s / frame_s)
        self._learn = round(self.config.learn_s / frame_s)
        hz = np.fft.rfftfreq(frame_samples, 1 / SAMPLE_RATE)  # shape (bins,)
        edges = np.array(BAND_EDGES_HZ)
        self._bands = ((hz >= edges[:-1, None]) & (hz < edges[1:, None])).T.astype(np.float64)
        self._taper = np.hanning(frame_samples)
        # A full-scale sine gives 0 dBFS in its band.
        self._scale = 4.0 / (FULL_SCALE * self._taper.sum()) ** 2 / 1.5
        self.reset()

    def reset(self) -> None:
        """Forget the background: the floor is quiet again."""
        bands = self._bands.shape[1]
        self._levels = np.full((self._length, bands), self.config.quiet_dbfs)
        self._floor = np.full(bands, self.config.quiet_dbfs)
        self._count = 0

    @property
    def level_dbfs(self) -> float:
        """Level of the background: the mean of the bands' floors, in dB of full scale."""
        return float(self._floor.mean())

    def excess_db(self, frame: NDArray[np.int16]) -> float:
        """Take the next frame, shape (frame_samples,); return its dB above the background."""
        spectrum = np.abs(np.fft.rfft(frame * self._taper)) ** 2  # shape (bins,)
        power = (spectrum @ self._bands) * self._scale  # shape (bands,)
        levels = np.maximum(10 * np.log10(power + 1e-12), self.config.quiet_dbfs)
        self._levels[self._count % self._length] = levels
        self._count += 1
        if self._count % self._every == 0 and self._count >= self._learn:
            levels_so_far = self._levels[: self._count]
            rank = int(self.config.quantile * len(levels_so_far))
            self._floor = np.partition(levels_so_far, rank, axis=0)[rank]
        best = np.sort(levels - self._floor)[-self.config.best_bands :]
        return float(best.mean())
