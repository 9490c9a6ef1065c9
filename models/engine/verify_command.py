"""`mmer-engine verify`: comparison of an engine with ONNX Runtime on the CPU."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mmer.models.engine.command import (
    Models,
    Network,
    OptionalFile,
    OptionalFolder,
    Precision,
    networks,
)
from mmer.models.engine.engine import Engine
from mmer.models.engine.onnx_runtime import OnnxRuntimeEngine
from mmer.models.engine.open import open_engine
from mmer.models.engine.precision import Inputs, float16, in_floats, int8
from mmer.models.engine.verify import LABELS_AGREE, Comparison, compare
from mmer.models.errors import MmerError


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Compare an engine with ONNX Runtime on the CPU, on made-up signals: outputs, times.

    Exit status 1 where less than 98 % of the labels agree, ties left out: inputs of which the two
    likeliest labels are less than 0.05 apart.
    """

    model: Models = ()
    """speech, text, face; default: all that there are, for int8 only those that are not in int8
    already: of the shipped ones the face."""
    provider: str = "auto"
    """What to compare: auto, cpu, cuda, tensorrt, ort-tensorrt, coreml or directml."""
    precision: Annotated[Precision | None, tyro.conf.arg(metavar="{fp32,fp16,int8}")] = None
    """Bring the network to this first (ONNX Runtime), or take the plan of it (TensorRT; it is built
    where there is none). Default: the network as it is, or the plan that was built last."""
    weights: OptionalFolder = None
    """Folder of networks with their cards; default: the shipped ones."""
    inputs: OptionalFile = None
    """.npz file of the network's own inputs (arrays NAME.0, NAME.1, ...); default: of made-up
    signals. For int8 half of them calibrate, and the other half is compared on."""
    calls: int = 200
    """Timed calls of each."""

    def run(self) -> int:
        """Two lines a network; 0, or 1 where labels disagree."""
        if self.calls < 1:
            raise MmerError(f"--calls is {self.calls}: it must be 1 or more")
        failed = 0
        for network in networks(self.weights, self.model, self.precision):
            inputs = network.inputs(self.inputs)
            calibration: list[Inputs] = []
            if self.precision == "int8":
                calibration, inputs = inputs[::2], inputs[1::2]
            reference = OnnxRuntimeEngine(network.path, lengths=network.lengths)
            with tempfile.TemporaryDirectory() as folder:
                candidate = self._candidate(network, calibration, Path(folder))
                found = compare(reference, candidate, inputs, self.calls)
            self._show(network.card.name, candidate.provider, found)
            failed += not found.passed
        return 1 if failed else 0

    def _candidate(self, network: Network, calibration: list[Inputs], folder: Path) -> Engine:
        if self.precision is None:
            return open_engine(network.path, self.provider, lengths=network.lengths)
        if self.provider == "tensorrt":
            from mmer.models.engine.tensorrt.opening import keep_built, open_built

            try:
                return open_built(network.path, network.lengths, precision=self.precision)
            except MmerError:  # there is none, or it does not fit
                keep_built(network.path, self.precision, network.lengths, calibration)
                return open_built(network.path, network.lengths, precision=self.precision)
        model = in_floats(network.path)  # says it where there is no onnx
        import onnx

        if self.precision == "fp16":
            model = float16(model)
        if self.precision == "int8":
            model = int8(model, calibration, symmetric=self.provider not in ("auto", "cpu"))
        path = folder / network.path.name
        onnx.save(model, path)
        # "auto" would find the plan of that name, which is of another network
        provider = "cpu" if self.provider == "auto" else self.provider
        return open_engine(path, provider, lengths=network.lengths)

    def _show(self, name: str, provider: str, found: Comparison) -> None:
        what = provider if self.precision is None else f"{provider} {self.precision}"
        clear = f"{found.clear_agreement:.1%} where it is not a tie"
        end = "" if found.passed else f"; FAILED: less than {LABELS_AGREE:.0%} of clear labels"
        print(
            f"{name} on {what}: {found.label_agreement:.1%} of {found.inputs} labels as on cpu "
            f"({clear}), largest difference of a probability {found.largest_difference:.2g}{end}"
        )
        ours, theirs = found.reference_ms, found.candidate_ms
        print(
            f"  median and p99 of {self.calls} calls: cpu {ours[0]:.2f} and {ours[1]:.2f} ms, "
            f"{what} {theirs[0]:.2f} and {theirs[1]:.2f} ms"
        )
