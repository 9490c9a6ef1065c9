"""Comparison of an engine with ONNX Runtime on the CPU: outputs and times."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mmer.models.engine.engine import Engine
from mmer.models.engine.precision import Inputs
from mmer.models.errors import MmerError
from mmer.models.prediction import log_softmax

TIE: Final = 0.05
"""Where the two likeliest classes are closer than this, either label is as good: any other rounding
may decide for the other."""
LABELS_AGREE: Final = 0.98
"""Share of the inputs without a tie whose label must be the same."""


@dataclass(frozen=True)
class Comparison:
    """What two engines answer to the same inputs, and their times in milliseconds."""

    inputs: int
    largest_difference: float
    """Of a class's probability, 0..1, over all inputs."""
    label_agreement: float
    """Share of the inputs with the same label, 0..1."""
    clear_agreement: float
    """The same of the inputs whose label was clear: not a tie (``TIE``) of the reference."""
    reference_ms: tuple[float, float]
    """Median and 99th percentile of a call with one row."""
    candidate_ms: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether the clear labels agree as they must; what is no number agrees with nothing."""
        return self.clear_agreement >= LABELS_AGREE and np.isfinite(self.largest_difference)


def compare(
    reference: Engine, candidate: Engine, inputs: Sequence[Inputs], calls: int
) -> Comparison:
    """Ask both for every input, then time ``calls`` calls of each over the same inputs.

    The timed calls take turns, so that what else the machine does meets both alike.

    Raises:
        MmerError: there are no inputs.
    """
    if not inputs:
        raise MmerError("there are no inputs to compare on")
    ours, theirs = (
        np.stack([_probabilities(engine.run(row)) for row in inputs])
        for engine in (reference, candidate)
    )  # shape (inputs, classes)
    times = np.empty((calls, 2))
    for i in range(calls):
        for j, engine in enumerate((reference, candidate)):
            row = inputs[i % len(inputs)]
            start = time.perf_counter()
            engine.run(row)
            times[i, j] = time.perf_counter() - start
    (ours_p50, theirs_p50), (ours_p99, theirs_p99) = np.percentile(times * 1000, (50, 99), axis=0)
    same = ours.argmax(1) == theirs.argmax(1)
    best = np.sort(ours, axis=1)
    clear = best[:, -1] - best[:, -2] >= TIE
    return Comparison(
        inputs=len(inputs),
        largest_difference=float(np.abs(ours - theirs).max()),
        label_agreement=float(same.mean()),
        clear_agreement=float(same[clear].mean()) if clear.any() else 1.0,
        reference_ms=(float(ours_p50), float(ours_p99)),
        candidate_ms=(float(theirs_p50), float(theirs_p99)),
    )


def _probabilities(outputs: Inputs) -> np.ndarray:
    return np.exp(log_softmax(outputs["logits"][0]))  # shape (classes,)
