"""Statistics of frozen blocks over augmented examples, computed once where a cache is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmer.models.networks.shipped.speech import SpeechNetwork
from mmer.training.storage import cached_arrays

Draw = Callable[[np.random.Generator, int], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Draws a batch of so many examples of one length: features (B, T, bins), targets (B, 14)."""
BATCH = 32
SHARD = 32
"""Batches in a cache file: the most that an interruption loses."""


def statistics_of(
    network: SpeechNetwork, draw: Draw, count: int, key: str, half: bool, cache: Path | None
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Statistics float16 (N, C) and targets (N, 14) of ``count`` examples, to whole batches.

    Args:
        network: its ``statistics`` are computed.
        draw: draws each batch by a generator of its own number.
        count: how many examples.
        key: describes what is drawn, for the generators and the cache.
        half: compute in bfloat16.
        cache: folder of the cache; none keeps nothing.
    """
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    batches = range(-(-count // BATCH))
    parts = []
    for start in range(0, len(batches), SHARD):
        numbers = batches[start : start + SHARD]
        name = f"statistics-{seed:016x}-{numbers.start}-{numbers.stop}.npz"
        parts.append(
            cached_arrays(
                cache / name if cache else None, partial(_shard, network, draw, seed, numbers, half)
            )
        )
    statistics, targets = (np.concatenate([p[n] for p in parts]) for n in ("statistics", "targets"))
    return statistics, targets


@torch.no_grad()
def _shard(
    network: SpeechNetwork, draw: Draw, seed: int, numbers: range, half: bool
) -> dict[str, NDArray[np.generic]]:
    statistics, targets = [], []
    for number in numbers:
        features, wanted = draw(np.random.default_rng([seed, number]), BATCH)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = network.statistics(torch.from_numpy(features))
        statistics.append(found.numpy().astype(np.float16))
        targets.append(wanted)
    return {"statistics": np.concatenate(statistics), "targets": np.concatenate(targets)}
