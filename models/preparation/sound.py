"""Base of the preparations of sound: silence, the part that counts, lengths, a made-up voice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Lengths, Preparation, Sound

SILENCE = 2.0
"""Standard deviation in steps of 16 bits (-84 dB of full scale): below, nothing was recorded."""
WINDOW = 400
"""Samples of one analysis window of 25 ms."""
SHIFT = 160
"""Samples from one window to the next, 10 ms."""


GrowingSound: TypeAlias = Callable[[Sound, int], "tuple[NDArray[Any], ...] | None"]
"""Prepares the newest part of a growing sound; the number is the part's first sample in it."""


class SoundPreparation(Preparation[Sound]):
    """Preparation of int16 (n,) at 16 kHz, of which the last ``longest_s`` seconds count."""

    longest_s: float

    def __post_init__(self) -> None:
        if not WINDOW / SAMPLE_RATE <= self.longest_s <= 3600:
            raise MmerError(
                f"{self.kind}: longest_s is {self.longest_s:g}, expected 0.025 to 3600 seconds"
            )

    def example(self, rng: np.random.Generator) -> Sound:
        return voice(rng, rng.uniform(min(0.5, self.longest_s), self.longest_s))

    def growing(self) -> GrowingSound:
        """The same of one growing sound, with what need not be computed again kept.

        Its arrays are those of a call with the part alone, to the bit. Not safe to call from
        several threads.
        """
        return lambda raw, begin: self(raw)


class WindowedPreparation(SoundPreparation):
    """Preparation with a step each 10 ms, from windows of 25 ms."""

    def lengths(self) -> Lengths:
        most = 1 + (round(self.longest_s * SAMPLE_RATE) - WINDOW) // SHIFT
        return Lengths.between(1, most)


def audible(samples: Sound, longest_s: float, least: int = WINDOW) -> Sound | None:
    """The last ``longest_s`` seconds, zero-padded to ``least`` samples; None where all is silent.

    Silent is what has no samples, or digital silence: zeros, a constant, the flicker of the last
    bit.
    """
    kept = samples[max(0, len(samples) - round(longest_s * SAMPLE_RATE)) :]
    if not len(kept) or float(kept.std(dtype=np.float64)) < SILENCE:
        return None
    return np.pad(kept, (0, max(0, least - len(kept))))


def voice(rng: np.random.Generator, length_s: float) -> Sound:
    """Syllables of a made-up voice in noise: a glottal pulse train through two resonances."""
    n = int(length_s * SAMPLE_RATE)
    time = np.arange(n) / SAMPLE_RATE
    pitch = rng.uniform(80, 300)
    melody = 1 + rng.uniform(0.02, 0.4) * np.sin(
        2 * np.pi * rng.uniform(0.3, 2) * time + rng.uniform(0, 6)
    )
    phase = np.cumsum(pitch * melody) / SAMPLE_RATE
    sound: NDArray[np.float64] = np.zeros(n)
    sound[1:] = np.diff(np.floor(phase)) > 0
    for centre in (rng.uniform(300, 900), rng.uniform(900, 2600)):
        decay = 0.99 - 0.02 * rng.random()
        ring = decay ** np.arange(300) * np.cos(2 * np.pi * centre / SAMPLE_RATE * np.arange(300))
        sound = np.convolve(sound, ring)[:n]
    syllables = np.sin(np.pi * rng.uniform(2, 6) * time) ** 2
    noise = rng.normal(size=n) * 10 ** rng.uniform(-3, -0.5)
    sound /= max(float(np.abs(sound).max()), 1e-9)
    sound = sound * syllables + noise * np.abs(sound).mean()
    return np.clip(12_000 * sound, -32_768, 32_767).astype(np.int16)
