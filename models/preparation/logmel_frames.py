"""The log-mel spectrum of the embedded speech network, for other encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import LogMel
from mmer.models.preparation.preparation import Sound
from mmer.models.preparation.settings import from_settings, settings_of
from mmer.models.preparation.sound import check_longest, heard


@dataclass(frozen=True)
class LogMelFrames:
    """``LogMel`` of the last ``longest_s`` seconds, float32 (T, bins); None where all is silent.

    100 frames a second, relative to the mean power of the segment: see ``LogMel``.
    """

    kind = "log-mel"
    names = ("logmel",)

    bins: int = 64
    floor_db: float = 55.0
    longest_s: float = 10.0

    def __post_init__(self) -> None:
        check_longest(self.kind, self.longest_s)
        if not 8 <= self.bins <= 128 or self.floor_db <= 0:
            raise MmerError(
                f"{self.kind}: bins is {self.bins} and floor_db {self.floor_db:g}, "
                "expected 8 to 128 and above 0"
            )

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        """(logmel float32 (T, bins),) of 16 kHz samples int16."""
        samples = heard(raw, self.longest_s)
        if samples is None:
            return None
        return (LogMel(bins=self.bins, floor_db=self.floor_db)(samples),)

    def settings(self) -> dict[str, Any]:
        """See ``Preparation``."""
        return settings_of(self)

    def files(self) -> Mapping[str, bytes]:
        """None."""
        return {}

    @classmethod
    def open(cls, settings: Mapping[str, Any], folder: Path) -> LogMelFrames:
        """See ``open_preparation``."""
        return from_settings(cls, settings)
