"""`mmer-bench encoders` and its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from mmer.benchmarks.harness.command import OptionalFolder, PlotOutputs


@dataclass(frozen=True, kw_only=True)
class Encoders(PlotOutputs):
    """Time of one call of each network: by engine, precision, one input and eight at once.

    The speech, text and face networks and the fusion, as they are exported and in float32,
    float16 and int8, on every provider that this machine has; those that it has not are named with
    the reason. One thread, after a warm-up. The preparation of the input (spectrum,
    alignment, tokenizer) is timed apart. To make the other precisions it takes the package onnx.
    """

    provider: Annotated[str | None, tyro.conf.arg(metavar="NAMES")] = None
    """Some of cpu, cuda, tensorrt, ort-tensorrt, coreml, directml, with commas between; else all.
    TensorRT builds what it has not built yet, which takes minutes."""
    networks: Annotated[str | None, tyro.conf.arg(metavar="NAMES")] = None
    """Some of speech, text, face, fusion, with commas between; left out: all."""
    weights: OptionalFolder = None
    """Folder with the networks; left out: the shipped ones."""
    calls: int = 200
    """Calls that are timed, of each."""

    def measure(self, command: str) -> int:
        """Time everything, show it, write it, draw it."""
        from rich.console import Console

        from mmer.benchmarks.encoders.plot import draw_encoders
        from mmer.benchmarks.encoders.run import EncoderSettings, run
        from mmer.models.cards.card import KINDS
        from mmer.models.engine import PROVIDERS

        self.check()
        settings = EncoderSettings(
            providers=_names(self.provider, PROVIDERS),
            networks=_names(self.networks, KINDS),
            weights=self.weights,
            calls=self.calls,
        )
        with Console(stderr=True).status("starting") as status:
            report = run(settings, command, status.update)
        self.write(report)
        if self.plot is not None:
            draw_encoders(report.rows, self.plot)
        return 0


def _names(listed: str | None, every: tuple[str, ...]) -> tuple[str, ...]:
    if listed is None:
        return every
    return tuple(name.strip() for name in listed.split(",") if name.strip())
