"""What every preparation of sound begins with: is anything to be heard, and which part counts."""

from __future__ import annotations

import numpy as np

from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.models.preparation.preparation import Sound

SILENCE = 2.0
"""Standard deviation in steps of 16 bits (-84 dB of full scale): below, nothing was recorded."""
WINDOW = 400
"""Samples of one analysis window of 25 ms."""


def heard(samples: Sound, longest_s: float, least: int = WINDOW) -> Sound | None:
    """The last ``longest_s`` seconds, zero-padded to ``least`` samples; None where all is silent.

    Silent is what has no samples, or digital silence: zeros, a constant, the flicker of the last
    bit.
    """
    kept = samples[max(0, len(samples) - round(longest_s * SAMPLE_RATE)) :]
    if not len(kept) or float(kept.std(dtype=np.float64)) < SILENCE:
        return None
    return np.pad(kept, (0, max(0, least - len(kept))))


def check_longest(kind: str, longest_s: float) -> None:
    """See that ``longest_s`` is a length of time.

    Raises:
        MmerError: it is not.
    """
    if not WINDOW / SAMPLE_RATE <= longest_s <= 3600:
        raise MmerError(f"{kind}: longest_s is {longest_s:g}, expected 0.025 to 3600 seconds")
