"""Log-mel preparations: of a whole segment (networks of before 0.2), and with a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE, LogMel
from mmer.models.preparation.preparation import Lengths, Sound
from mmer.models.preparation.sound import SoundPreparation, WindowedPreparation, audible


@dataclass(frozen=True)
class LogMelSegment(SoundPreparation):
    """``LogMel`` of the last ``longest_s`` seconds, float32 (T, bins), by the card's filter bank.

    A sound shorter than ``least_s`` is set into silence. None for zeros alone.
    """

    kind = "log-mel-segment"
    title = "log-mel spectrum"
    names = ("features",)

    bins: int = 64
    window_s: float = 0.025
    shift_s: float = 0.010
    low_hz: float = 50.0
    high_hz: float = 7600.0
    floor_db: float = 55.0
    least_s: float = 0.5
    longest_s: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.least_s <= self.longest_s:
            raise MmerError(
                f"{self.kind}: least_s is {self.least_s:g}, expected above 0 and at most longest_s"
            )
        # beyond these the filter bank, which is C++, reads past its tables
        sound = (
            8 <= self.bins <= 128
            and 0.001 <= self.shift_s <= self.window_s <= 0.25
            and 0 <= self.low_hz < self.high_hz <= SAMPLE_RATE / 2
            and 0 < self.floor_db <= 200
        )
        if not sound:
            raise MmerError(
                f"{self.kind}: {self.bank} is not a valid filter bank: expected 8 to 128 bins, "
                "0.001 <= shift_s <= window_s <= 0.25, 0 <= low_hz < high_hz <= 8000, floor_db "
                "to 200"
            )

    @property
    def bank(self) -> LogMel:
        """The filter bank."""
        return LogMel(
            self.bins, self.window_s, self.shift_s, self.low_hz, self.high_hz, self.floor_db
        )

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        samples = raw[-round(self.longest_s * SAMPLE_RATE) :]
        if not samples.any():
            return None
        least = round(self.least_s * SAMPLE_RATE)
        return (self.bank(np.pad(samples, (0, max(0, least - len(samples))))),)

    def lengths(self) -> Lengths:
        least, most = (
            self.bank.frames(round(s * SAMPLE_RATE)) for s in (self.least_s, self.longest_s)
        )
        return Lengths.between(least, most)


@dataclass(frozen=True)
class LogMelFrames(WindowedPreparation):
    """``LogMel`` of the last ``longest_s`` seconds, float32 (T, bins); None where all is silent.

    100 frames a second, relative to the mean power of the segment: see ``LogMel``.
    """

    kind = "log-mel"
    title = "log-mel spectrum"
    names = ("logmel",)

    bins: int = 64
    floor_db: float = 55.0
    longest_s: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 8 <= self.bins <= 128 or not 0 < self.floor_db <= 200:
            raise MmerError(
                f"{self.kind}: bins is {self.bins} and floor_db {self.floor_db:g}, "
                "expected 8 to 128 and above 0, to 200"
            )

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        """(logmel float32 (T, bins),) of 16 kHz samples int16."""
        samples = audible(raw, self.longest_s)
        if samples is None:
            return None
        return (LogMel(bins=self.bins, floor_db=self.floor_db)(samples),)
