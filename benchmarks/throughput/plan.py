"""What a worker process is told, and what it tells; JSON both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class StreamPlan:
    """One stream: what it plays, and how long after the start of all."""

    clip: str
    start_s: float


@dataclass(frozen=True)
class WorkerPlan:
    """One process: its streams, and the options that all of them share."""

    streams: Sequence[StreamPlan]
    asr: str
    detector: str
    provider: str
    weights: str | None
    memory_at_s: float  # after the start of all
    folder: str  # for what the streams write

    def to_json(self) -> str:
        """For the command line of the worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerPlan:
        """What ``to_json`` made."""
        table = json.loads(text)
        return cls(**table | {"streams": [StreamPlan(**s) for s in table["streams"]]})


@dataclass(frozen=True)
class StreamResult:
    """What one stream did; times in seconds on its own clock, second 0 its start."""

    faces: Sequence[tuple[float, float]]  # capture of the newest frame used, and estimate written
    finals: Sequence[tuple[float, float, float]]  # begin and end of the utterance, and written
    frames: int  # distinct ones analysed
    drops: Mapping[str, int]


@dataclass(frozen=True)
class WorkerResult:
    """What one process did."""

    streams: Sequence[StreamResult]
    cpu_s: float  # from the start to the end of all, of its children as well
    memory_mb: float  # resident, of its children as well; MB of 2^20 bytes
    models: Mapping[str, str | None]
    used: Mapping[str, str]  # provider by encoder

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> WorkerResult:
        """What ``save`` wrote."""
        table = json.loads(path.read_text(encoding="utf-8"))
        streams = [
            StreamResult(
                faces=[(t, written) for t, written in s["faces"]],
                finals=[(t0, t1, written) for t0, t1, written in s["finals"]],
                frames=s["frames"],
                drops=s["drops"],
            )
            for s in table["streams"]
        ]
        return cls(**table | {"streams": streams})
