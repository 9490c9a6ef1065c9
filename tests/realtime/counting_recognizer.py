"""A recognizer that counts samples, for tests that make it in another process."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import HeardWord, Hypothesis


class Counts:
    """Says how many samples it has heard, at last in which process; 13 and 14 are too many."""

    name = "counts"
    trust = 0.5

    def __init__(self) -> None:
        print("a library that talks")
        self.heard = 0

    def accept(self, samples: NDArray[np.int16]) -> Hypothesis:
        if len(samples) == 13:
            raise MmerError("thirteen samples")
        if len(samples) == 14:
            os._exit(3)
        self.heard += len(samples)
        return Hypothesis(str(self.heard), (HeardWord("n", 0, self.heard, 0.5),))

    def finish(self) -> Hypothesis:
        return Hypothesis(f"{self.heard} in all, {os.getpid()}", (), 0.5)

    def reset(self) -> None:
        self.heard = 0

    def close(self) -> None: ...


class Refuses(Counts):
    def __init__(self) -> None:
        raise MmerError("no model here")
