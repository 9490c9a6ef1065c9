"""`mmer-bench throughput` and its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from mmer.benchmarks.harness.command import Asr, OptionalFolder, PicturedOutputs
from mmer.models.errors import MmerError


@dataclass(frozen=True, kw_only=True)
class Throughput(PicturedOutputs):
    """How many live streams this machine carries, and how the cost grows from 1 to N.

    Sessions at the world's pace, several to a process on shared networks whose calls run together;
    each plays a clip of its own order and starts at another moment. 1, 2, 4, ... at once and then
    between, until the 95th percentile of either delay (frame captured to estimate written; end of
    speech to final label) passes one second, or a stream analyses fewer than 10 of the 20 frames
    a second that it asks for.
    """

    asr: Asr = "none"
    """Recognizer of words, as in mmer-live; the target is for none."""
    detector: Literal["auto", "blazeface", "mediapipe", "haar"] = "auto"
    """Face detector, as in mmer-live."""
    provider: str = "auto"
    """What runs the networks, as in mmer-live."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    processes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Processes to spread the streams over; left out: one a core, for Python uses about one."""
    seconds: int = 30
    """Length of each run."""
    most: int = 64
    """More streams are not tried."""
    streams: Annotated[str | None, tyro.conf.arg(metavar="NUMBERS")] = None
    """Measure these numbers, with commas between, and search no further."""

    def measure(self, command: str) -> int:
        """Measure everything, show it, write it."""
        from rich.console import Console

        from mmer.benchmarks.throughput.plot import draw
        from mmer.benchmarks.throughput.run import run
        from mmer.benchmarks.throughput.settings import ThroughputSettings, cores

        self.check()
        settings = ThroughputSettings(
            asr=self.asr,
            detector=self.detector,
            provider=self.provider,
            weights=self.weights,
            processes=cores() if self.processes is None else self.processes,
            seconds=self.seconds,
            most=self.most,
            streams=() if self.streams is None else _numbers(self.streams),
        )
        with Console(stderr=True).status("starting") as status:
            found = run(settings, command, status.update)
        self.write(found.report)
        if self.plot is not None:
            draw(found.loads, self.plot)
        return 0


def _numbers(listed: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in listed.split(","))
    except ValueError as error:
        raise MmerError(f"--streams {listed!r}: expected numbers with commas, as 1,4,8") from error
