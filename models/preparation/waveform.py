"""Waveform preparation: samples, for encoders that learn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Lengths, Sound
from mmer.models.preparation.sound import SoundPreparation, audible


@dataclass(frozen=True)
class Waveform(SoundPreparation):
    """The last ``longest_s`` seconds as float32 (n,), n >= ``least``; None where all is silent.

    ``normalise``: zero mean and unit variance, as the feature extractor of wav2vec 2.0 does it;
    else -1..1. ``least``: what the encoder's convolutions need for one step.
    """

    kind = "waveform"
    title = "waveform"
    names = ("waveform",)

    normalise: bool = True
    longest_s: float = 10.0
    least: int = 400

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least < 1:
            raise MmerError(f"{self.kind}: least is {self.least}, expected 1 or more samples")

    def __call__(self, raw: Sound) -> tuple[NDArray[np.float32], ...] | None:
        """(waveform float32 (n,),) of 16 kHz samples int16."""
        samples = audible(raw, self.longest_s, least=1)
        if samples is None:
            return None
        signal = samples / 32768.0
        if self.normalise:
            signal = (signal - signal.mean()) / np.sqrt(signal.var() + 1e-7)
        padded = np.pad(signal, (0, max(0, self.least - len(signal))))
        return (padded.astype(np.float32),)

    def lengths(self) -> Lengths:
        return Lengths.between(self.least, max(self.least, round(self.longest_s * SAMPLE_RATE)))
