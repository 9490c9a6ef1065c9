"""Graph for TensorRT: the network in operators and precisions that it supports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mmer.models.engine.precision import Inputs, float16, in_floats, int8

GRAPH: Final = "1"
"""Of a plan's key: raised with every change of what is done here."""


def graph_for(path: Path, precision: str, major: int, calibration: Sequence[Inputs]) -> bytes:
    """The network of a file, serialized, for TensorRT ``major``.

    TensorRT has neither DynamicQuantizeLinear nor MatMulInteger, of which our int8 text
    networks are made: their matrices are multiplied out first. From TensorRT 11 on, a network runs
    in the types that it is written in: float16 and int8 are put into it here. TensorRT 10 has
    flags for that (see ``build``).

    Raises:
        MmerError: the network cannot be read, or not be brought to that precision.
    """
    model = in_floats(path)
    if major >= 11 and precision == "fp16":
        model = float16(model)
    if major >= 11 and precision == "int8":
        model = int8(model, calibration, symmetric=True)
    return bytes(model.SerializeToString())
