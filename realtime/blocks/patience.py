"""Wait for the end of an utterance: the pause that ends it, learned from the speaker's own."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

LEAST_S: Final = 0.2
MOST_S: Final = 0.5
MARGIN_S: Final = 0.12
"""The wait is so much longer than the pauses after which speech went on."""
QUANTILE: Final = 0.9
"""Share of those pauses by which the wait grows."""
SHORTEST_S: Final = 0.04
"""A shorter pause is part of a sound."""
REJOINED_S: Final = 0.7
"""An utterance that begins so soon after another is taken for the rest of it: its pause counts."""
KEPT: Final = 60
"""Newest pauses that are counted. Only so many shorten the wait, and by the longest of them: of a
speaker's pauses at most 5 % are longer than the longest of 60 (95 % confidence, rule of three, were
they independent)."""
PRIOR: Final = 20
"""Number of pauses at which they weigh as much as the wait that the session began with."""
NOISE_S: Final = 0.18
"""Longest addition in noise, in which the soft end of a word cannot be told from a pause."""
QUIET_DBFS: Final = -68.0
LOUD_DBFS: Final = -58.0
"""Noise floor (mean level of a band) from which on there is an addition, and the whole one."""


class Patience:
    """Follows a speaker's pauses (as LiveKit's endpointing does) and the noise.

    The constants were chosen on RAVDESS sentences of actors 2-16 and on EmoDB's that
    ``mmer-bench hangover`` does not use: in quiet as few splits as with a fixed 0.3 s, in noise
    fewer. A wait too short by a little splits a sentence, one too long costs that little: so it
    takes more to shorten it than to lengthen it.

    Args:
        first_s: wait before anything is known of the speaker, in seconds.
    """

    def __init__(self, first_s: float) -> None:
        self._first_s = first_s
        self.reset()

    def reset(self) -> None:
        """Forget the speaker."""
        self._pauses: deque[float] = deque(maxlen=KEPT)
        self._learned_s = self._first_s

    def went_on(self, pause_s: float) -> None:
        """Learn from a pause in seconds after which speech went on."""
        if not SHORTEST_S <= pause_s <= REJOINED_S:
            return
        self._pauses.append(pause_s)
        weight = len(self._pauses) / (len(self._pauses) + PRIOR)
        own_s = max(self._first_s, float(np.quantile(self._pauses, QUANTILE)) + MARGIN_S)
        if len(self._pauses) == KEPT:
            own_s = min(own_s, max(self._pauses) + MARGIN_S)
        self._learned_s = weight * own_s + (1 - weight) * self._first_s

    def wait_s(self, noise_dbfs: float | None) -> float:
        """Pause in seconds that ends an utterance; None: the noise floor is unknown."""
        noise = QUIET_DBFS if noise_dbfs is None else noise_dbfs
        share = min(max((noise - QUIET_DBFS) / (LOUD_DBFS - QUIET_DBFS), 0.0), 1.0)
        return min(max(self._learned_s, LEAST_S) + NOISE_S * share, MOST_S)
