"""Does the shipped network answer as the trained one does, and how fast?"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from mmer.models.cards.card import Parity
from mmer.models.engine import Engine
from mmer.models.errors import MmerError
from mmer.training.loop.trainer import tensors
from mmer.training.metrics.figures import log_softmax
from mmer.training.tasks.task import Arrays, Task

ITEMS = 500
TOLERANCE = 1e-3
"""Largest difference of a float32 logit."""
AGREEMENT = 0.98
"""Least share of items that keep their label in the shipped precision."""


def some_items(task: Task, most: int = ITEMS) -> Iterator[Arrays]:
    """At most so many development items, spread evenly over the fold, one at a time."""
    total = len(task.development_groups())
    wanted = set(np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist())
    start = 0
    for inputs, labels in task.development():
        for row in range(len(labels)):
            if start + row in wanted:
                yield task.single(inputs, row)
        start += len(labels)


@torch.no_grad()
def compare(network: nn.Module, task: Task, float32: Engine, shipped: Engine) -> Parity:
    """Torch against ONNX Runtime in float32 and as shipped.

    Raises:
        MmerError: the float32 logits differ by more than ``TOLERANCE``, or the shipped network
            gives fewer than ``AGREEMENT`` of the items the label that torch gives them.
    """
    network.eval()
    answers = [
        np.concatenate(
            [
                network(*tensors(inputs))[0].numpy(),
                float32.run(inputs)["logits"],
                shipped.run(inputs)["logits"],
            ]
        )
        for inputs in some_items(task)
    ]
    logits = np.stack(answers)  # shape (items, 3, 7)
    probs = np.exp(log_softmax(logits))
    logit_gaps = np.abs(logits - logits[:, :1]).max(axis=(0, 2))
    probability_gaps = np.abs(probs - probs[:, :1]).max(axis=(0, 2))
    labels = logits.argmax(axis=2)
    agreement = (labels == labels[:, :1]).mean(axis=0)
    if not logit_gaps[1] <= TOLERANCE:
        raise MmerError(
            f"ONNX Runtime's logits differ from torch's by {logit_gaps[1]:.2g}, "
            f"more than {TOLERANCE:g}"
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
