"""What `mmer-bench throughput` is asked to do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.realtime.options import PROVIDER_NAMES, Options

MOST: Final = 256


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class ThroughputSettings:
    """What is measured; raises MmerError for values that make no sense."""

    asr: str = "none"
    detector: str = "auto"
    provider: str = "auto"
    weights: Path | None = None
    processes: int = 1
    seconds: int = 30  # of each stream
    most: int = 64
    streams: tuple[int, ...] = ()  # these and no search

    def __post_init__(self) -> None:
        for option, value, low, high in (
            ("--processes", self.processes, 1, MOST),
            ("--seconds", self.seconds, 5, 3600),
            ("--most", self.most, 1, MOST),
            *(("--streams", count, 1, MOST) for count in self.streams),
        ):
            if not low <= value <= high:
                raise MmerError(f"{option} is {value}: it must lie between {low} and {high}")
        Options(source="clip", asr=self.asr)  # refuses what the recognizer would
        if self.provider not in PROVIDER_NAMES:
            known = ", ".join(PROVIDER_NAMES)
            raise MmerError(f"--provider {self.provider!r} is unknown: use {known}")
        if self.weights is not None and not self.weights.is_dir():
            raise MmerError(f"--weights {self.weights} is no folder")
