"""`mmer-engine build` and `list`: TensorRT plans, built before they are needed, and their state."""

from __future__ import annotations

from dataclasses import dataclass

from mmer.models.engine.command import Models, OptionalFile, OptionalFolder, Precision, networks
from mmer.models.engine.tensorrt.opening import keep_built, plan_key
from mmer.models.engine.tensorrt.plans import Entry, Plans, stale
from mmer.models.errors import MmerError


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build TensorRT's plans for this GPU and keep them; takes minutes on a Jetson.

    `--provider auto` and `--provider tensorrt` take the plan that was built last. Ctrl-C leaves
    what was there before.
    """

    model: Models = ()
    """speech, text, face; default: all that there are, for int8 only those that are not in int8
    already: of the shipped ones the face."""
    precision: Precision = "fp16"
    """What the plans compute in. int8 is for networks of sounds and images that are in floats: of
    the shipped ones the face."""
    weights: OptionalFolder = None
    """Folder of networks with their cards; default: the shipped ones."""
    inputs: OptionalFile = None
    """.npz file of the network's own inputs to calibrate int8 by (arrays NAME.0, NAME.1, ...);
    default: of made-up signals."""

    def run(self) -> int:
        """Build each anew, whether it was built before or not."""
        if self.inputs is not None and self.precision != "int8":
            raise MmerError(f"--inputs calibrate int8, not {self.precision}: leave them out")
        for network in networks(self.weights, self.model, self.precision):
            calibration = network.inputs(self.inputs) if self.precision == "int8" else []
            place = keep_built(network.path, self.precision, network.lengths, calibration)
            size = place.stat().st_size / 1e6
            print(f"{network.card.name}: {self.precision} plan, {size:.1f} MB, {place}")
        return 0


@dataclass(frozen=True, kw_only=True)
class List:
    """Show TensorRT's plans: what each was built for, and if it is stale, why.

    A stale plan is never used, and may be deleted.
    """

    weights: OptionalFolder = None
    """Folder of the networks that the plans are held against; default: the shipped ones."""

    def run(self) -> int:
        """A line a plan."""
        plans = Plans()
        entries = list(plans.entries())
        if not entries:
            print(f"no plans in {plans.folder}: mmer-engine build makes them")
            return 0
        rows = [("model", "precision", "GPU", "TensorRT", "MB", "built", "state")]
        for entry in entries:
            key = entry.key
            named = (key.model, key.precision, key.gpu, key.tensorrt) if key else ("?",) * 4
            rows.append((*named, f"{entry.size / 1e6:.1f}", entry.built, self._state(entry)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
            print(*cells, row[-1], sep="  ")
        print(f"in {plans.folder}")
        return 0

    def _state(self, entry: Entry) -> str:
        if entry.key is None:
            return entry.problem
        try:
            (network,) = networks(self.weights, [entry.key.model])
            now = plan_key(network.path, entry.key.precision, network.lengths)
        except MmerError as problem:
            return f"cannot tell: {problem}"
        why = stale(entry.key, now)
        return f"stale: {why}" if why else "valid"
