"""`mmer-engine build`: TensorRT's plans, before they are needed."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.models.engine.command import Models, OptionalFile, OptionalFolder, Precision, networks
from mmer.models.engine.tensorrt.opening import keep_built


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build TensorRT's plans for this GPU and keep them; takes minutes on a Jetson.

    `--provider auto` and `--provider tensorrt` take the plan that was built last. Ctrl-C leaves
    what was there before.
    """

    model: Models = ()
    """speech, text, face; default: all three, for int8 speech and face."""
    precision: Precision = "fp16"
    """What the plans compute in. int8 is for speech and face."""
    weights: OptionalFolder = None
    """Folder of networks with their cards; default: the shipped ones."""
    inputs: OptionalFile = None
    """.npz file of the network's own inputs to calibrate int8 by (arrays NAME.0, NAME.1, ...);
    default: stored ones."""

    def run(self) -> int:
        """Build each anew, whether it was built before or not."""
        for network in networks(self.weights, self.model, self.precision):
            calibration = network.inputs(self.inputs) if self.precision == "int8" else []
            place = keep_built(network.path, self.precision, network.lengths, calibration)
            size = place.stat().st_size / 1e6
            print(f"{network.card.name}: {self.precision} plan, {size:.1f} MB, {place}")
        return 0
