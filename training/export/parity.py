"""Parity of the exported network with the trained one, and its latency."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from torch import nn

from mmer.models.cards.card import Parity
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.training.export.onnx_file import torch_outputs
from mmer.training.metrics.figures import log_softmax
from mmer.training.tasks.task import Arrays, Task

ITEMS = 500
TOLERANCE = 1e-3
"""Largest difference of a float32 logit, or of a probability."""
AGREEMENT = 0.98
"""Least share of items that keep their label in the shipped precision."""


def spread(total: int, most: int = ITEMS) -> list[int]:
    """At most so many of ``total`` items, evenly spread."""
    places = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    return [int(place) for place in np.unique(places)]


def some_items(task: Task, most: int = ITEMS) -> Iterator[Arrays]:
    """At most so many development items, spread evenly over the fold, one at a time."""
    wanted = set(spread(len(task.development_groups()), most))
    start = 0
    for inputs, labels in task.development():
        for row in range(len(labels)):
            if start + row in wanted:
                yield task.single(inputs, row)
        start += len(labels)


def compare(network: nn.Module, task: Task, float32: Engine, shipped: Engine) -> Parity:
    """Torch against ONNX Runtime in float32 and as shipped: see ``measure``."""
    network.eval()
    logits = [
        [torch_outputs(network, inputs)[0], *(e.run(inputs)["logits"] for e in (float32, shipped))]
        for inputs in some_items(task)
    ]
    return measure(*(np.concatenate(each) for each in zip(*logits, strict=True)))


def measure(
    trained: np.ndarray, float32: np.ndarray, shipped: np.ndarray, *, by_probability: bool = False
) -> Parity:
    """Parity of logits (N, 7) of the trained network, of its float32 file and of the shipped one.

    Raises:
        MmerError: the float32 logits (or probabilities, of networks whose many layers add up
            rounding) differ by more than ``TOLERANCE``, or the shipped network labels fewer than
            ``AGREEMENT`` of the items as torch does.
    """
    logits = np.stack([trained, float32, shipped], axis=1)  # shape (items, 3, 7)
    probs = np.exp(log_softmax(logits))
    logit_gaps = np.abs(logits - logits[:, :1]).max(axis=(0, 2))
    probability_gaps = np.abs(probs - probs[:, :1]).max(axis=(0, 2))
    labels = logits.argmax(axis=2)
    agreement = (labels == labels[:, :1]).mean(axis=0)
    what, gap = "logits", logit_gaps[1]
    if by_probability:
        what, gap = "probabilities", probability_gaps[1]
    if not gap <= TOLERANCE:
        raise MmerError(
            f"ONNX Runtime's {what} differ from torch's by {gap:.2g}, more than {TOLERANCE:g}"
        )
    if not agreement[2] >= AGREEMENT:
        raise MmerError(
            f"the shipped network agrees with the trained one on {agreement[2]:.1%} of "
            f'{len(logits)} items, less than {AGREEMENT:.0%}: use precision = "float32"'
        )
    return Parity(
        items=len(logits),
        float32_probability=float(f"{probability_gaps[1]:.2g}"),
        float32_logit=float(f"{logit_gaps[1]:.2g}"),
        float32_agreement=round(float(agreement[1]), 4),
        shipped_probability=float(f"{probability_gaps[2]:.2g}"),
        shipped_logit=float(f"{logit_gaps[2]:.2g}"),
        shipped_agreement=round(float(agreement[2]), 4),
    )


def median_latency_ms(engine: Engine, task: Task) -> float:
    """Median time of one development item at a time, in milliseconds."""
    times: list[float] = []
    for inputs in some_items(task):
        if not times:
            engine.run(inputs)  # the first run sets memory aside
        begun = time.perf_counter()
        engine.run(inputs)
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times))
