"""What tests know of a machine whose TensorRT and CUDA are doubles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fake_cuda import FakeCuda

from mmer.models.engine.tensorrt.plans import Plans


@dataclass
class Machine:
    """A machine with a GPU, as far as mmer can tell."""

    trt: Any
    runtime: FakeCuda
    log: list[str]
    plans: Plans

    @property
    def builds(self) -> list[dict[str, Any]]:
        """What TensorRT was told at each build."""
        return [json.loads(line) for line in self.log]
