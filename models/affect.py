"""Valence and arousal derived from the seven probabilities, by published norms; not trained.

The norms are the mean ratings of pleasure and arousal, -1 to 1, of the terms angry, disgusted,
fearful, joyful, sad and surprised in Russell and Mehrabian 1977, "Evidence for a three-factor
theory of emotions", Journal of Research in Personality 11, 273-294 (table of 151 terms; the values
were taken from later works that print them). Neutral is no term there: it is the middle of both
scales. They rate words for feelings, not faces or voices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.labels import EMOTIONS

NORMS: Final = {
    "anger": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "joy": (0.76, 0.48),
    "neutral": (0.0, 0.0),
    "sadness": (-0.63, -0.27),
    "surprise": (0.40, 0.67),
}
"""Valence and arousal of each emotion."""
_TABLE: Final = np.array([NORMS[name] for name in EMOTIONS])


def valence_arousal(probs: NDArray[np.floating] | Sequence[float]) -> tuple[float, float]:
    """Expected valence and arousal, each -1 to 1, under probabilities (7,)."""
    valence, arousal = np.asarray(probs, np.float64) @ _TABLE
    return float(valence), float(arousal)
