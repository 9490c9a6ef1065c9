"""ONNX file of a trained network, checked against torch."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmer.models.engine import Engine, open_engine
from mmer.models.errors import MmerError
from mmer.training.loop.trainer import tensors
from mmer.training.tasks.task import Arrays

OPSET = 18
Axes = Mapping[str, Mapping[int, str]]
"""Names of the axes that vary, by input and number."""


def write_onnx(
    network: nn.Module,
    samples: Sequence[Arrays],
    axes: Axes,
    outputs: Sequence[str],
    path: Path,
    tolerance: float = 1e-3,
) -> Engine:
    """Export, and see that ONNX Runtime outputs what torch does for ``samples``; the open file.

    The first sample is the example of the export: no axis that varies may be 1 long there.

    Raises:
        MmerError: the largest difference of the outputs is above ``tolerance``.
    """
    network = network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    shapes: tuple[Any, ...] = tuple(
        dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in samples[0]
    )
    takes = inspect.signature(network.forward).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in takes):
        shapes = (shapes,)
    # A batch of 2: an axis of length 1 would be taken for a constant.
    example = tuple(t[:1].repeat(2, *[1] * (t.dim() - 1)) for t in tensors(samples[0]))
    # torch warns that torchvision is not there, and of its own deprecations; onnxscript tells of
    # constants that it leaves as they are
    for talker in ("torch.onnx", "onnxscript"):
        logging.getLogger(talker).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            example,
            input_names=list(samples[0]),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    if program is None:  # only where the exporter is asked for a file
        raise MmerError(f"torch did not export {path}")
    graph = program.model.graph
    for node in graph:
        node.metadata_props.clear()  # stack traces, with the paths of this machine
        for value in node.outputs:
            value.metadata_props.clear()
            if value.name in outputs:  # a layer of that name; the exporter misses the clash
                value.name = f"{value.name}_inside"
    for value, name in zip(graph.outputs, outputs, strict=True):
        value.name = name
    program.save(str(path), external_data=False)
    engine = open_engine(path, "cpu")
    for inputs in samples:
        theirs = engine.run(inputs)
        for ours, name in zip(torch_outputs(network, inputs), outputs, strict=True):
            gap = float(np.abs(ours - theirs[name]).max())
            if not gap <= tolerance:
                raise MmerError(f"{path}: {name} differs from torch's by {gap:.2g}")
    return engine


@torch.no_grad()
def torch_outputs(network: nn.Module, inputs: Arrays) -> list[np.ndarray]:
    """The outputs of the trained network, in its order."""
    return [output.numpy() for output in network(*tensors(inputs))]
