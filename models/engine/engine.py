"""Engine protocol: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np


class Engine(Protocol):
    """One network, opened on one provider.

    Immutable after construction and safe to call from several threads.
    """

    @property
    def provider(self) -> str:
        """The ``--provider`` name of what really runs it: never "auto"."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what goes in, in the network's order."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what comes out, in the network's order."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out; the first axis of each is the batch."""
